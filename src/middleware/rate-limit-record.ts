/** The decision of a limiter about a request, kept for its handlers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { charge, type Charge, type Quota } from '../rate-limiting/index.js';
import { messageOf } from '../shared/errors.js';
import { RequestNotes } from '../shared/request-notes.js';
import { onRequestOver } from '../shared/request-over.js';
import { isThenable } from '../shared/thenable.js';
import { warnOnce } from '../shared/warnings.js';
import type { RateLimitOptions } from './rate-limit-options.js';

/**
 * The decision of a limiter about a request.
 *
 * @example
 * import { rateLimit } from '@tooloo/resilience';
 *
 * const limit = rateLimit();
 * app.get('/search', limit, async (req, res) => {
 *   await limit.of(req)?.refund(); // this request is free
 *   res.json([]);
 * });
 */
export interface RateLimitState {
  /** The client's key. */
  readonly key: string;
  /** Each limit that was charged: the client's own first, then `policies`. */
  readonly limits: readonly RateLimitUsage[];
  /** Gives the tokens of this request back. Does nothing when called again. */
  refund(): void | Promise<void>;
}

/** One limit of a request. */
export interface RateLimitUsage {
  readonly name: string;
  /** Capacity in tokens. */
  readonly limit: number;
  /** Tokens left after the request, with their fraction. */
  readonly remaining: number;
  /** Tokens spent and not yet returned. */
  readonly used: number;
  /** Milliseconds until the whole capacity is there again; Infinity where nothing returns. */
  readonly resetAfter: number;
}

/**
 * The whole record of a decision. Most requests have one charge, which is copied into the record itself, because the
 * charges serve other requests too.
 */
export class PassedLimit {
  readonly key: string;
  /** Whether there is anything to give back. */
  isCharged: boolean;
  readonly #first: string;
  readonly #quota: Quota;
  readonly #cost: number;
  readonly #remaining: number;
  readonly #resetAfter: number | undefined;
  readonly #others: readonly Charge[] | undefined;

  constructor(key: string, charges: readonly Charge[], isCharged: boolean) {
    this.key = key;
    this.isCharged = isCharged;
    const first = charges[0]!;
    this.#first = first.key;
    this.#quota = first.quota;
    this.#cost = first.cost;
    this.#remaining = first.remaining;
    this.#resetAfter = first.resetAfter;
    this.#others = charges.length === 1 ? undefined : charges.slice(1).map((one) => ({ ...one }));
  }

  get charges(): readonly Charge[] {
    const first = charge(this.#first, this.#quota, this.#cost);
    first.remaining = this.#remaining;
    if (this.#resetAfter !== undefined) first.resetAfter = this.#resetAfter;
    return [first, ...(this.#others ?? [])];
  }
}

/**
 * The records of one limiter, by request. Until somebody asks for one, only the key of an admitted request is kept, where
 * all else can be found again: a record per request costs more than its decision.
 */
export class PassedLimits {
  readonly #kept = new RequestNotes<string | PassedLimit>('rate limit');
  readonly #find: (key: string) => PassedLimit;
  #keepsKeys: boolean;

  /**
   * @param canFind whether the key of an admitted request is enough to find its record again
   * @param find makes a record from the key, by what the bucket holds now
   */
  constructor(canFind: boolean, find: (key: string) => PassedLimit) {
    this.#keepsKeys = canFind;
    this.#find = find;
  }

  /** Keeps a request that was admitted by one charge of one token. Returns whether the request was kept before. */
  keepKey(req: IncomingMessage, key: string, charges: readonly Charge[]): boolean {
    const isKept = this.#kept.get(req) !== undefined;
    this.#kept.set(req, this.#keepsKeys ? key : new PassedLimit(key, charges, true));
    return isKept;
  }

  /** Keeps the whole record. Returns whether the request was kept before. */
  keep(req: IncomingMessage, passed: PassedLimit): boolean {
    const isKept = this.#kept.get(req) !== undefined;
    this.#kept.set(req, passed);
    return isKept;
  }

  /** The record of the latest decision about a request. From now on, whole records are kept. */
  of(req: IncomingMessage): PassedLimit | undefined {
    const kept = this.#kept.get(req);
    this.#keepsKeys = false;
    if (typeof kept !== 'string') return kept;
    const passed = this.#find(kept);
    this.#kept.set(req, passed);
    return passed;
  }
}

export function usageOf({ quota, remaining, resetAfter: windowReset }: Charge): RateLimitUsage {
  const used = Math.max(0, quota.rateLimit - remaining);
  const byRefill = used === 0 ? 0 : (used / quota.refillRate) * 1000;
  const resetAfter = quota.window === 0 ? byRefill : (windowReset ?? byRefill);
  return { name: quota.name, limit: quota.rateLimit, remaining, used, resetAfter };
}

/** Whether a request whose response is over gets its tokens back. */
export function refundsAfter(
  refund: NonNullable<RateLimitOptions['refund']>,
): (req: IncomingMessage, res: ServerResponse, isWhole: boolean) => boolean | Promise<boolean> {
  if (typeof refund === 'function') return (req, res) => refund(req, res);
  if (refund === 'successful') return (_req, res, isWhole) => isWhole && res.statusCode < 400;
  return (_req, res, isWhole) => !isWhole || res.statusCode >= 400;
}

export interface RefundRules {
  readonly refund: NonNullable<RateLimitOptions['refund']>;
  readonly giveBack: (passed: PassedLimit) => void | Promise<void>;
  readonly place: string;
  readonly warnings: RateLimitOptions['warnings'];
}

/** Refunds the tokens when the response is over, if the rule applies. A failure here never reaches the client. */
export function refundAtEnd(
  rules: RefundRules,
): (req: IncomingMessage, res: ServerResponse, passed: PassedLimit) => void {
  const { giveBack, place, warnings } = rules;
  const decide = refundsAfter(rules.refund);
  const warn = (error: unknown): void =>
    warnOnce('TOOLOO_LIMIT_CALLBACK_FAILED', place, `'refund' failed: ${messageOf(error)}`, warnings);
  return (req, res, passed) => {
    onRequestOver(req, res, (outcome) => {
      try {
        const decided = decide(req, res, outcome === 'finished');
        if (isThenable(decided)) {
          Promise.resolve(decided)
            .then((really) => (really ? giveBack(passed) : undefined))
            .catch(warn);
        } else if (decided) {
          const done = giveBack(passed);
          if (isThenable(done)) done.catch(warn);
        }
      } catch (error) {
        warn(error);
      }
    });
  };
}
