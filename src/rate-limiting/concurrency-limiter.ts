/** Limits the requests in flight, per key or for all together. Further requests wait in order, or are rejected. */
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { refusal, ResilienceError } from '../shared/errors.js';
import { startSpan } from '../shared/instrumentation.js';
import {
  checkOptions,
  clock as clockCheck,
  count,
  milliseconds,
  anyOf,
  oneOf,
  type OptionChecks,
} from '../shared/options.js';
import { AdaptiveLimit, fixedLimit, type InFlightLimit } from './adaptive-limit.js';

/** How many may be in flight and wait. */
export interface ConcurrencyLimiterOptions {
  /** How many requests of one key may be in flight; 'adaptive' derives the number from the latencies. */
  readonly limit: number | 'adaptive';
  /** How many requests of one key may wait for a slot. Default 0: none waits. */
  readonly maxQueue?: number;
  /** Longest wait for a slot in milliseconds. Default 1,000. */
  readonly maxWaitTime?: number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** Ends a request's time in flight. Counts once; later calls do nothing. */
export type ReleaseSlot = () => void;

/** The requests in flight, waiting and refused. */
export interface ConcurrencyStats {
  /** In flight now, of all keys. */
  readonly inFlight: number;
  readonly waiting: number;
  /** Requests refused since the start. */
  readonly refused: number;
  /** The current limit by key, for at most a hundred keys in use. */
  readonly limits: Readonly<Record<string, number>>;
  /** The same keys with what is in flight and what waits. */
  readonly keys: Readonly<Record<string, KeyConcurrency>>;
}

/** The current limit of one key, and its requests in flight and waiting. */
export interface KeyConcurrency {
  readonly limit: number;
  readonly inFlight: number;
  readonly waiting: number;
}

interface SlotWaiter {
  readonly grant: (release: ReleaseSlot) => void;
  readonly refuse: (error: unknown) => void;
  timeout: Timer | undefined;
}

interface Slots {
  readonly limit: InFlightLimit;
  inFlight: number;
  readonly waiters: SlotWaiter[];
}

const OPTIONS: OptionChecks<ConcurrencyLimiterOptions> = {
  limit: anyOf(count(), oneOf('adaptive')),
  maxQueue: count(0),
  maxWaitTime: milliseconds,
  clock: clockCheck,
};

/** Idle keys whose learnt limit is kept. */
const IDLE_KEPT = 1_000;
const SHOWN_LIMITS = 100;

/**
 * Limits the number of requests in progress per key. A request beyond the limit waits in a queue or is refused.
 *
 * @example
 * import { ConcurrencyLimiter } from '@tooloo/resilience';
 *
 * const limiter = new ConcurrencyLimiter({ limit: 10, maxQueue: 20, maxWaitTime: 2000 });
 * const release = await limiter.acquire('user-42');
 * try {
 *   await createReport();
 * } finally {
 *   release();
 * }
 */
export class ConcurrencyLimiter {
  readonly #limit: number | 'adaptive';
  readonly #maxQueue: number;
  readonly #maxWaitTime: number;
  readonly #clock: Clock;
  readonly #keys = new Map<string, Slots>();
  #inFlight = 0;
  #waiting = 0;
  #refused = 0;
  #closed = false;

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options: ConcurrencyLimiterOptions) {
    const checked = checkOptions('ConcurrencyLimiter', options, OPTIONS);
    if (checked.limit === undefined) throw new TypeError("ConcurrencyLimiter: option 'limit' is required");
    this.#limit = checked.limit;
    this.#maxQueue = checked.maxQueue ?? 0;
    this.#maxWaitTime = checked.maxWaitTime ?? 1_000;
    this.#clock = checked.clock ?? monotonicClock;
  }

  /** A slot, if one is free and no request waits for it. */
  tryAcquire(key: string): ReleaseSlot | undefined {
    const slots = this.#slots(key);
    if (this.#closed || slots.waiters.length > 0 || slots.inFlight >= slots.limit.limit) {
      if (slots.inFlight === 0) this.#rest(key, slots);
      return undefined;
    }
    return this.#occupy(key, slots);
  }

  /**
   * The refusal of a request that found no slot and would find no place to wait either. It is counted as refused.
   *
   * @internal
   * @returns undefined if it may wait
   */
  refuse(key: string): ResilienceError | undefined {
    return this.#closed ? undefined : this.#refusal(this.#slots(key));
  }

  /**
   * Waits for a slot, in the order of the calls.
   *
   * @throws ResilienceError (as a rejection) CONCURRENCY_EXCEEDED, SHUTTING_DOWN, or the signal's reason
   */
  async acquire(key: string, signal?: AbortSignal): Promise<ReleaseSlot> {
    signal?.throwIfAborted();
    const release = this.tryAcquire(key);
    if (release !== undefined) return release;
    if (this.#closed) throw new ResilienceError('SHUTTING_DOWN', 'concurrency limiter: it has been closed');
    const slots = this.#slots(key);
    const refused = this.#refusal(slots);
    if (refused !== undefined) throw refused;
    return this.#wait(slots, signal);
  }

  getStats(): ConcurrencyStats {
    const used = [...this.#keys].slice(0, SHOWN_LIMITS);
    const limits = Object.fromEntries(used.map(([key, { limit }]) => [key, limit.limit]));
    const keys = used.map(([key, { limit, inFlight, waiters }]) => {
      return [key, { limit: limit.limit, inFlight, waiting: waiters.length }] as const;
    });
    const totals = { inFlight: this.#inFlight, waiting: this.#waiting, refused: this.#refused };
    return { ...totals, limits, keys: Object.fromEntries(keys) };
  }

  /** Rejects every waiting request with SHUTTING_DOWN. Slots in use stay valid. */
  close(): void {
    this.#closed = true;
    for (const slots of this.#keys.values()) {
      for (const waiter of [...slots.waiters]) {
        this.#leave(slots, waiter, new ResilienceError('SHUTTING_DOWN', 'concurrency limiter: closed meanwhile'));
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #slots(key: string): Slots {
    let slots = this.#keys.get(key);
    if (slots === undefined) {
      const limit = this.#limit === 'adaptive' ? new AdaptiveLimit(this.#clock) : fixedLimit(this.#limit);
      slots = { limit, inFlight: 0, waiters: [] };
      this.#keys.set(key, slots);
    }
    return slots;
  }

  #refusal({ waiters, limit }: Slots): ResilienceError | undefined {
    if (waiters.length < this.#maxQueue) return undefined;
    this.#refused++;
    return exceeded(limit.limit);
  }

  #occupy(key: string, slots: Slots): ReleaseSlot {
    const inFlight = ++slots.inFlight;
    this.#inFlight++;
    const began = this.#clock.now();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      slots.inFlight--;
      this.#inFlight--;
      slots.limit.record(this.#clock.now() - began, inFlight);
      this.#handOver(key, slots);
    };
  }

  #handOver(key: string, slots: Slots): void {
    while (slots.waiters.length > 0 && slots.inFlight < slots.limit.limit) {
      const waiter = slots.waiters.shift()!;
      this.#waiting--;
      waiter.timeout?.cancel();
      waiter.grant(this.#occupy(key, slots));
    }
    if (slots.inFlight === 0) this.#rest(key, slots);
  }

  /** Nothing is in flight: a fixed limit needs no memory of the key, a learnt one is kept for a while. */
  #rest(key: string, slots: Slots): void {
    if (this.#limit !== 'adaptive') {
      this.#keys.delete(key);
      return;
    }
    this.#keys.delete(key);
    this.#keys.set(key, slots); // the most recent last
    if (this.#keys.size <= IDLE_KEPT + this.#inFlight) return;
    for (const [oldest, { inFlight }] of this.#keys) {
      if (inFlight > 0) continue;
      this.#keys.delete(oldest);
      return;
    }
  }

  async #wait(slots: Slots, signal: AbortSignal | undefined): Promise<ReleaseSlot> {
    const span = startSpan('concurrency_limit.wait');
    let onAbort: (() => void) | undefined;
    try {
      const granted = new Promise<ReleaseSlot>((resolve, reject) => {
        const waiter: SlotWaiter = { grant: resolve, refuse: reject, timeout: undefined };
        waiter.timeout = startTimer(this.#clock, () => this.#giveUp(slots, waiter), this.#maxWaitTime, true);
        onAbort = () => this.#leave(slots, waiter, signal!.reason);
        slots.waiters.push(waiter);
        this.#waiting++;
      });
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true });
      const release = await granted;
      span?.end();
      return release;
    } catch (error) {
      span?.end(error);
      throw error;
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
    }
  }

  #giveUp(slots: Slots, waiter: SlotWaiter): void {
    this.#refused++;
    this.#leave(slots, waiter, exceeded(slots.limit.limit));
  }

  #leave(slots: Slots, waiter: SlotWaiter, reason: unknown): void {
    const at = slots.waiters.indexOf(waiter);
    if (at === -1) return;
    slots.waiters.splice(at, 1);
    this.#waiting--;
    waiter.timeout?.cancel();
    waiter.refuse(reason);
  }
}

function exceeded(limit: number): ResilienceError {
  return refusal('CONCURRENCY_EXCEEDED', `concurrency limiter: ${limit} requests are in flight already`, {
    retryAfter: 1,
  });
}
