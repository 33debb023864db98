/** What a request is charged: which buckets, whose, and how many tokens. */
import type { IncomingMessage } from 'node:http';
import { isBackgroundRequest } from '../shared/background-request.js';
import { charge, type Charge, type KeyFunction, type Limit, type Quota } from '../rate-limiting/index.js';
import type { RateLimiter, RateLimitStore } from '../rate-limiting/index.js';
import { compactKey } from '../rate-limiting/keys.js';
import {
  limitResolver,
  type RateLimitOptions,
  type ResolvedOptions,
  type ResolvedPolicy,
} from './rate-limit-options.js';

type LimitOf = (key: string, req: IncomingMessage) => Quota;

/** Turns requests into charges. `fill` writes into charges of `create`, so that one set can serve many requests. */
export class Charges {
  readonly #clientKey: KeyFunction;
  readonly #cost: RateLimitOptions['cost'];
  readonly #skip: RateLimitOptions['skip'];
  readonly #policies: readonly ResolvedPolicy[];
  readonly #ownQuota: Quota | undefined;
  readonly #limitOf: LimitOf;

  constructor({ options, key, hasOwnLimit, policies }: ResolvedOptions, limiter: RateLimiter<RateLimitStore>) {
    this.#clientKey = key;
    this.#cost = options.cost;
    this.#skip = options.skip;
    this.#policies = policies;
    this.#ownQuota = hasOwnLimit ? limiter.quota : undefined;
    this.#limitOf = ownLimits(limiter, options.limits);
  }

  /** The client's key; undefined where the request is not limited. */
  keyOf(req: IncomingMessage): string | undefined {
    // A refresh by the cache is no client's doing: nobody is charged for it, and it is never refused.
    if (isBackgroundRequest(req) || this.#skip?.(req)) return undefined;
    return checkedKey(this.#clientKey(req));
  }

  create(): Charge[] {
    const own = this.#ownQuota === undefined ? [] : [charge('', this.#ownQuota)];
    return [...own, ...this.#policies.map(({ quota }) => charge('', quota))];
  }

  fill(charges: Charge[], key: string, req: IncomingMessage): void {
    const tokens = this.#cost === undefined ? 1 : checkedCost(this.#cost(req));
    let i = 0;
    if (this.#ownQuota !== undefined) {
      const own = charges[i++]!;
      own.key = key;
      own.quota = this.#limitOf(key, req);
      own.cost = tokens;
    }
    for (const policy of this.#policies) {
      const one = charges[i++]!;
      one.key = policy.key === undefined ? key : checkedKey(policy.key(req));
      one.cost = tokens;
    }
  }
}

/** A limit set at run time comes first, then what `limits` says, then the general one. */
function ownLimits(limiter: RateLimiter<RateLimitStore>, limits: RateLimitOptions['limits']): LimitOf {
  if (typeof limits === 'function') {
    const resolve = limitResolver(limiter.quota.name, limits);
    return (key, req) => {
      const set = limiter.quotaFor(key);
      return set === limiter.quota ? (resolve(key, req) ?? set) : set;
    };
  }
  for (const [key, limit] of Object.entries<Limit>(limits ?? {})) {
    limiter.setLimit(key, limit.rateLimit, limit.refillRate);
  }
  return (key) => limiter.quotaFor(key);
}

/** Plain comparisons: these run once a request. */
export function checkedKey(key: unknown): string {
  if (typeof key === 'string') return compactKey(key);
  throw new TypeError(`rateLimit: 'key' must return a string, got ${key === null ? 'null' : typeof key}`);
}

function checkedCost(cost: unknown): number {
  if (typeof cost === 'number' && cost >= 0 && cost !== Infinity) return cost;
  throw new TypeError(`rateLimit: 'cost' must return a finite number of at least 0, got ${String(cost)}`);
}
