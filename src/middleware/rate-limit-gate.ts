/** A request's way through the limits: tokens first, then a slot among the requests in flight. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { limitWriter, type WriteLimits } from '../rate-limiting/header-fields.js';
import type { Charge, ReleaseSlot, RateLimiter, RateLimitStore } from '../rate-limiting/index.js';
import { ResilienceError } from '../shared/errors.js';
import type { NextFunction } from '../shared/http.js';
import { sendError } from '../shared/problem.js';
import { Charges, checkedKey } from './rate-limit-charges.js';
import type { ResolvedConcurrency, ResolvedOptions } from './rate-limit-options.js';
import { asRefusal, quotaExceeded, refusing, type Refuse } from './rate-limit-refusal.js';

/** One request under way, where the decision takes more than one step. */
interface Passage {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly key: string;
  readonly charges: readonly Charge[];
}

export class RateLimitGate {
  readonly #limiter: RateLimiter<RateLimitStore>;
  readonly #charges: Charges;
  readonly #writeLimits: WriteLimits;
  readonly #refuse: Refuse;
  readonly #maxWaitTime: number | undefined;
  readonly #concurrency: ResolvedConcurrency | undefined;
  /** Charges of the request being decided, where a decision is over before another can begin. */
  readonly #scratch: Charge[] | undefined;

  constructor(resolved: ResolvedOptions, limiter: RateLimiter<RateLimitStore>) {
    const { options, queue, concurrency } = resolved;
    const dryRun = options.dryRun ?? false;
    this.#limiter = limiter;
    this.#charges = new Charges(resolved, limiter);
    this.#writeLimits = limitWriter(dryRun ? 'none' : (options.headers ?? 'draft'));
    this.#refuse = refusing(options.onLimited, dryRun);
    this.#maxWaitTime = dryRun ? undefined : queue?.maxWaitTime;
    this.#concurrency = dryRun ? undefined : concurrency;
    const decidesAtOnce = limiter.synchronous && this.#maxWaitTime === undefined && this.#concurrency === undefined;
    this.#scratch = decidesAtOnce ? this.#charges.create() : undefined;
  }

  handle(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    if (this.#scratch === undefined) this.#decide(req, res, next);
    else this.#decideAtOnce(req, res, next, this.#scratch);
  }

  /** The fast path: the store is this process' memory and nothing waits, so that nothing is kept either. */
  #decideAtOnce(req: IncomingMessage, res: ServerResponse, next: NextFunction, charges: Charge[]): void {
    let key: string | undefined;
    let allowed = true;
    try {
      key = this.#charges.keyOf(req);
      if (key !== undefined) {
        this.#charges.fill(charges, key, req);
        allowed = this.#limiter.take(key, charges) as boolean;
        this.#writeLimits(res, charges);
      }
    } catch (error) {
      return next(error);
    }
    if (allowed) next();
    else this.#turnAway({ req, res, next, key: key!, charges }, quotaExceeded(charges));
  }

  #decide(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    let key: string | undefined;
    const charges = this.#charges.create();
    try {
      key = this.#charges.keyOf(req);
      if (key !== undefined) this.#charges.fill(charges, key, req);
    } catch (error) {
      return next(error);
    }
    if (key === undefined) return next();
    const passage: Passage = { req, res, next, key, charges };
    if (this.#maxWaitTime === undefined) void this.#takeTokens(passage);
    else if (this.#limiter.synchronous && this.#limiter.attempt(key, charges) === true) this.#admit(passage);
    else void this.#waitForTokens(passage, this.#maxWaitTime);
  }

  async #takeTokens(passage: Passage): Promise<void> {
    const { key, charges } = passage;
    let allowed: boolean;
    try {
      const taken = this.#limiter.take(key, charges);
      allowed = typeof taken === 'boolean' ? taken : await taken;
    } catch (error) {
      return this.#fail(passage, error);
    }
    if (allowed) return this.#admit(passage);
    this.#writeLimits(passage.res, charges);
    this.#turnAway(passage, quotaExceeded(charges));
  }

  async #waitForTokens(passage: Passage, maxWaitTime: number): Promise<void> {
    const { key, charges, res } = passage;
    const departure = watchDeparture(res);
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
    this.#writeLimits(res, charges);
    if (this.#concurrency === undefined) return next();
    let slotKey: string | undefined;
    try {
      slotKey = this.#concurrency.keyOf(req, key);
      if (slotKey === undefined) return next();
      slotKey = checkedKey(slotKey);
    } catch (error) {
      return next(error);
    }
    const release = this.#concurrency.limiter.tryAcquire(slotKey);
    if (release === undefined) return void this.#waitForSlot(passage, this.#concurrency, slotKey);
    releaseAtEnd(res, release);
    next();
  }

  async #waitForSlot(passage: Passage, { limiter }: ResolvedConcurrency, slotKey: string): Promise<void> {
    const { res, next, charges } = passage;
    const departure = watchDeparture(res);
    try {
      releaseAtEnd(res, await limiter.acquire(slotKey, departure.signal));
    } catch (error) {
      await this.#giveBack(charges);
      return departure.signal.aborted ? undefined : this.#fail(passage, error);
    } finally {
      departure.stop();
    }
    next();
  }

  /** A request that was not served is not charged. A store that is away forgets it, which is not worth an error. */
  async #giveBack(charges: readonly Charge[]): Promise<void> {
    try {
      await this.#limiter.refund(charges);
    } catch {
      // GuardedStore has counted it.
    }
  }

  #fail(passage: Passage, error: unknown): void {
    const refusal = asRefusal(error, passage.charges);
    if (refusal !== undefined) {
      if (refusal.code !== 'CONCURRENCY_EXCEEDED') this.#writeLimits(passage.res, passage.charges);
      this.#turnAway(passage, refusal);
    } else if (ResilienceError.is(error)) {
      sendError(passage.req, passage.res, error);
    } else {
      passage.next(error);
    }
  }

  #turnAway({ req, res, next, key, charges }: Passage, error: ResilienceError): void {
    if (!this.#refuse(req, res, { key, charges, error })) next();
  }
}

/** Whichever comes first of finish, close and error ends the request's time in flight; `release` counts once. */
function releaseAtEnd(res: ServerResponse, release: ReleaseSlot): void {
  if (res.destroyed || res.writableFinished) return release(); // it ended while it waited
  res.once('finish', release);
  res.once('close', release);
  res.once('error', release);
}

/** A signal that aborts when the client goes away, and the function that stops watching. */
function watchDeparture(res: ServerResponse): { signal: AbortSignal; stop: () => void } {
  const controller = new AbortController();
  const leave = (): void => controller.abort(new ResilienceError('CLIENT_CLOSED_REQUEST', 'the client went away'));
  if (res.destroyed) leave();
  res.once('close', leave);
  return { signal: controller.signal, stop: () => res.removeListener('close', leave) };
}
