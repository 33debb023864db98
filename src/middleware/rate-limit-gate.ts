/** A request's way through the limits: tokens first, then a slot among the requests in flight. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { limitWriter, type WriteLimits } from '../rate-limiting/header-fields.js';
import { partitionKeys } from '../rate-limiting/keys.js';
import { charge, type Charge, type Eventually, type RateLimiter, type RateLimitStore } from '../rate-limiting/index.js';
import { ResilienceError } from '../shared/errors.js';
import type { NextFunction } from '../shared/http.js';
import { isThenable } from '../shared/thenable.js';
import { warnOnce } from '../shared/warnings.js';
import { Charges, checkedKey } from './rate-limit-charges.js';
import { PassedLimit, PassedLimits, refundAtEnd, usageOf, type RateLimitState } from './rate-limit-record.js';
import { answering, asRefusal, quotaExceeded, refusing, type Answer, type Refuse } from './rate-limit-refusal.js';
import type { ResolvedConcurrency, ResolvedOptions } from './rate-limit-resolve.js';
import { releaseAtEnd, watchDeparture } from './rate-limit-slot.js';

/** One request under way, where the decision takes more than one step. */
interface Passage {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly key: string;
  readonly charges: readonly Charge[];
}

export class RateLimitGate {
  /** Whether no request waits for its decision. */
  readonly decidesAtOnce: boolean;
  readonly #resolved: ResolvedOptions;
  readonly #limiter: RateLimiter<RateLimitStore>;
  readonly #charges: Charges;
  readonly #writeLimits: WriteLimits;
  readonly #refuse: Refuse;
  readonly #answer: Answer;
  readonly #maxWaitTime: number | undefined;
  readonly #concurrency: ResolvedConcurrency | undefined;
  readonly #refundAtEnd: ReturnType<typeof refundAtEnd> | undefined;
  /** Charges of the request being decided, where a decision is over before another can begin. */
  readonly #scratch: Charge[] | undefined;
  readonly #passed: PassedLimits;

  constructor(resolved: ResolvedOptions, limiter: RateLimiter<RateLimitStore>) {
    const { options, queue, concurrency, place } = resolved;
    const { dryRun = false, handler = 'respond', onLimited, refund, warnings } = options;
    this.#resolved = resolved;
    this.#limiter = limiter;
    this.#charges = new Charges(resolved, limiter);
    const shown = options.partitionKeys && partitionKeys(options.partitionKeys.secret);
    this.#writeLimits = limitWriter(dryRun ? 'none' : (options.headers ?? 'draft'), shown);
    this.#answer = answering(handler);
    this.#refuse = refusing({ onLimited, answer: this.#answer, dryRun });
    this.#maxWaitTime = dryRun ? undefined : queue?.maxWaitTime;
    this.#concurrency = dryRun ? undefined : concurrency;
    const giveBack = (passed: PassedLimit): void | Promise<void> => this.#giveBack(passed);
    this.#refundAtEnd = refund === undefined ? undefined : refundAtEnd({ refund, giveBack, place, warnings });
    this.decidesAtOnce = limiter.synchronous && this.#maxWaitTime === undefined && this.#concurrency === undefined;
    this.#scratch = this.decidesAtOnce ? this.#charges.create() : undefined;
    const canFind = refund === undefined && this.#charges.dependOnKeyAlone;
    this.#passed = new PassedLimits(canFind, (key) => this.#find(key));
  }

  handle(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    if (this.#scratch === undefined) this.#decide(req, res, next, this.#charges.create());
    else this.#decideAtOnce(req, res, next, this.#scratch);
  }

  /** The decision of this limiter about a request. Undefined if it has not decided. */
  of(req: IncomingMessage): RateLimitState | undefined {
    const passed = this.#passed.of(req);
    if (passed === undefined) return undefined;
    return { key: passed.key, limits: passed.charges.map(usageOf), refund: () => this.#giveBack(passed) };
  }

  /** The fast path: the store is this process' memory and nothing waits, so that nothing is kept but the record. */
  #decideAtOnce(req: IncomingMessage, res: ServerResponse, next: NextFunction, charges: Charge[]): void {
    let key: Eventually<string | undefined>;
    let allowed = true;
    try {
      key = this.#charges.keyOf(req);
      if (isThenable(key)) return void this.#decideLater(req, res, next, key);
      if (key !== undefined) {
        const filled = this.#charges.fill(charges, key, req);
        if (filled !== undefined) return void this.#decideLater(req, res, next, key, filled);
        allowed = this.#limiter.take(key, charges) as boolean;
        if (!res.headersSent) this.#writeLimits(res, charges);
        if (!allowed || this.#refundAtEnd !== undefined) this.#record(req, res, key, charges, allowed);
        else if (this.#passed.keepKey(req, key, charges)) this.#warnOfSecond();
      }
    } catch (error) {
      return next(error);
    }
    if (allowed) next();
    else this.#turnAway({ req, res, next, key: key!, charges }, quotaExceeded(charges));
  }

  #decide(req: IncomingMessage, res: ServerResponse, next: NextFunction, charges: Charge[]): void {
    let key: Eventually<string | undefined>;
    try {
      key = this.#charges.keyOf(req);
      if (isThenable(key)) return void this.#decideLater(req, res, next, key);
      if (key !== undefined) {
        const filled = this.#charges.fill(charges, key, req);
        if (filled !== undefined) return void this.#decideLater(req, res, next, key, filled);
      }
    } catch (error) {
      return next(error);
    }
    if (key === undefined) return next();
    this.#charge({ req, res, next, key, charges });
  }

  /** A callback of the user returned a promise. */
  async #decideLater(
    req: IncomingMessage,
    res: ServerResponse,
    next: NextFunction,
    promisedKey: Eventually<string | undefined>,
    filled?: Promise<Charge[]>,
  ): Promise<void> {
    let key: string | undefined;
    let charges: Charge[] = [];
    try {
      key = await promisedKey;
      if (key !== undefined) {
        charges = this.#charges.create();
        charges = (await (filled ?? this.#charges.fill(charges, key, req))) ?? charges;
      }
    } catch (error) {
      return next(error);
    }
    if (key === undefined) return next();
    this.#charge({ req, res, next, key, charges });
  }

  #charge(passage: Passage): void {
    const { key, charges } = passage;
    if (this.#maxWaitTime === undefined) void this.#takeTokens(passage);
    else if (this.#limiter.synchronous && this.#limiter.attempt(key, charges) === true) this.#admit(passage);
    else void this.#waitForTokens(passage, this.#maxWaitTime);
  }

  async #takeTokens(passage: Passage): Promise<void> {
    const { req, res, key, charges } = passage;
    let allowed: boolean;
    try {
      const taken = this.#limiter.take(key, charges);
      allowed = typeof taken === 'boolean' ? taken : await taken;
    } catch (error) {
      return this.#fail(passage, error);
    }
    if (allowed) return this.#admit(passage);
    this.#tellLimits(passage);
    this.#record(req, res, key, charges, false);
    this.#turnAway(passage, quotaExceeded(charges));
  }

  async #waitForTokens(passage: Passage, maxWaitTime: number): Promise<void> {
    const { key, charges, req, res } = passage;
    const departure = watchDeparture(req, res);
    try {
      await this.#limiter.wait(key, charges, { maxWait: maxWaitTime, failFast: true, signal: departure.signal });
    } catch (error) {
      return departure.signal.aborted ? undefined : this.#fail(passage, error);
    } finally {
      departure.stop();
    }
    this.#admit(passage);
  }

  /** Tokens are paid; what remains is a slot, where requests in flight are limited. */
  #admit(passage: Passage): void {
    const { req, res, next, key, charges } = passage;
    this.#tellLimits(passage);
    this.#record(req, res, key, charges, true);
    if (this.#concurrency === undefined) return next();
    let slotKey: Eventually<string | undefined>;
    try {
      slotKey = this.#concurrency.keyOf(req, key);
      if (isThenable(slotKey)) return void this.#admitLater(passage, this.#concurrency, slotKey);
      if (slotKey === undefined) return next();
      slotKey = checkedKey(slotKey);
    } catch (error) {
      return next(error);
    }
    this.#enter(passage, this.#concurrency, slotKey);
  }

  async #admitLater(
    passage: Passage,
    concurrency: ResolvedConcurrency,
    promisedKey: Promise<string | undefined>,
  ): Promise<void> {
    let slotKey: string | undefined;
    try {
      slotKey = await promisedKey;
      if (slotKey !== undefined) slotKey = checkedKey(slotKey);
    } catch (error) {
      return passage.next(error);
    }
    if (slotKey === undefined) passage.next();
    else this.#enter(passage, concurrency, slotKey);
  }

  #enter(passage: Passage, concurrency: ResolvedConcurrency, slotKey: string): void {
    const { req, res, next } = passage;
    const release = concurrency.limiter.tryAcquire(slotKey);
    if (release === undefined) {
      const refusal = concurrency.limiter.refuse(slotKey);
      if (refusal === undefined) return void this.#waitForSlot(passage, concurrency, slotKey);
      return void this.#refuseSlot(passage, refusal);
    }
    releaseAtEnd(req, res, release, concurrency.rules);
    next();
  }

  async #waitForSlot(passage: Passage, { limiter, rules }: ResolvedConcurrency, slotKey: string): Promise<void> {
    const { req, res, next } = passage;
    const departure = watchDeparture(req, res);
    try {
      releaseAtEnd(req, res, await limiter.acquire(slotKey, departure.signal), rules);
    } catch (error) {
      return departure.signal.aborted ? this.#giveBackOf(req) : this.#refuseSlot(passage, error);
    } finally {
      departure.stop();
    }
    next();
  }

  /** A request without a slot is not charged. */
  #refuseSlot(passage: Passage, error: unknown): void | Promise<void> {
    const given = this.#giveBackOf(passage.req);
    if (given === undefined) return this.#fail(passage, error);
    return given.then(() => this.#fail(passage, error));
  }

  #giveBackOf(req: IncomingMessage): void | Promise<void> {
    const passed = this.#passed.of(req);
    return passed === undefined ? undefined : this.#giveBack(passed);
  }

  #record(
    req: IncomingMessage,
    res: ServerResponse,
    key: string,
    charges: readonly Charge[],
    isCharged: boolean,
  ): void {
    const passed = new PassedLimit(key, charges, isCharged);
    if (this.#passed.keep(req, passed)) this.#warnOfSecond();
    if (isCharged) this.#refundAtEnd?.(req, res, passed);
  }

  /** The record of a request that was charged one token, by what its bucket holds now. */
  #find(key: string): PassedLimit {
    const one = charge(key, this.#limiter.quotaOf(key), 0);
    void this.#limiter.describe([one]);
    one.cost = 1;
    return new PassedLimit(key, [one], true);
  }

  #warnOfSecond(): void {
    const { place, options } = this.#resolved;
    const message = 'a request passed it twice and was charged twice; mount it once, or make two';
    warnOnce('TOOLOO_LIMIT_MOUNTED_TWICE', place, message, options.warnings);
  }

  /** A request that was not served is not charged. A store that is away forgets it, which is not worth an error. */
  #giveBack(passed: PassedLimit): void | Promise<void> {
    if (!passed.isCharged) return undefined;
    passed.isCharged = false;
    const given = this.#limiter.refund(passed.charges);
    return isThenable(given) ? given.catch(() => undefined) : undefined;
  }

  #tellLimits({ res, charges }: Passage): void {
    if (!res.headersSent) this.#writeLimits(res, charges);
  }

  #fail(passage: Passage, error: unknown): void {
    const refusal = asRefusal(error, passage.charges);
    if (refusal !== undefined) {
      if (refusal.code !== 'CONCURRENCY_EXCEEDED') this.#tellLimits(passage);
      this.#turnAway(passage, refusal);
    } else if (ResilienceError.is(error)) {
      this.#answer(passage.req, passage.res, passage.next, error);
    } else {
      passage.next(error);
    }
  }

  #turnAway({ req, res, next, key, charges }: Passage, error: ResilienceError): void {
    const refused = this.#refuse(req, res, next, { key, charges, error });
    if (typeof refused === 'boolean') {
      if (!refused) next();
    } else {
      void refused.then((really) => (really ? undefined : next()));
    }
  }
}
