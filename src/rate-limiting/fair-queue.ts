/**
 * Fair waiting for tokens. Waiters queue by flow, and the flows take turns. A bucket that cannot pay the waiter in turn
 * stays closed to those behind it until it can. One timer serves all of them: it fires when the first closed bucket can
 * pay again.
 */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { startSpan } from '../shared/instrumentation.js';
import { Flows } from './flows.js';
import { bucketId, type Charge, type Eventually } from './store.js';

export interface FairQueueOptions {
  readonly clock: Clock;
  /** Takes the charges, or leaves in them when to try again. */
  readonly take: (charges: readonly Charge[]) => Eventually<boolean>;
  /** Gives charges back whose waiter left while they were being taken. */
  readonly refund: (charges: readonly Charge[]) => Eventually<void>;
  /** Most that wait at a time. */
  readonly maxQueue: number;
  /** Whether the flows take turns. Default true. With false, callers of the same buckets are one flow. */
  readonly takesTurns?: boolean;
}

interface Waiter {
  readonly flow: string;
  readonly cost: number;
  readonly charges: readonly Charge[];
  readonly since: number;
  readonly grant: (waited: number) => void;
  readonly refuse: (error: unknown) => void;
  timeout: Timer | undefined;
  waiting: boolean;
}

/** A waiting request. `granted` resolves to the milliseconds waited. */
export interface Ticket {
  readonly granted: Promise<number>;
  /** Leaves the queue; `granted` rejects with the reason. Does nothing once granted. */
  cancel(reason: unknown): void;
}

const LONGEST_SLEEP = 60_000; // buckets may be reset or raised meanwhile, elsewhere too
const SHORTEST_SLEEP = 1;

export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #flows = new Flows<Waiter>();
  /** Buckets that refused a head, since the last pass began. */
  readonly #closedBuckets = new Set<string>();
  #timer: Timer | undefined;
  #passing = false;
  #again = false;
  #closed = false;
  /** When the first closed bucket can pay, in the clock's milliseconds. */
  #opensAt = Infinity;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  /** Waiters now. */
  get size(): number {
    return this.#flows.size;
  }

  /** Whether somebody who came earlier waits for what these charges need: then they have to queue too. */
  isAwaited(caller: string, charges: readonly Charge[]): boolean {
    if (this.#flows.size === 0) return false;
    if (this.#passing || this.#flows.has(this.#flowOf(caller, charges))) return true;
    return charges.some((charge) => this.#closedBuckets.has(bucketId(charge)));
  }

  /** Writes into awaited charges when to try again: in the closed buckets, or in all where the flow itself waits. */
  refuse(charges: readonly Charge[]): void {
    const wait = this.#untilNextPass();
    const anyClosed = charges.some((charge) => this.#closedBuckets.has(bucketId(charge)));
    for (const charge of charges) {
      charge.retryAfter = !anyClosed || this.#closedBuckets.has(bucketId(charge)) ? wait : 0;
    }
  }

  /**
   * Queues charges that were refused, or that others await.
   *
   * @param maxWait milliseconds; then `granted` rejects with ACQUIRE_TIMEOUT
   * @throws ResilienceError QUEUE_FULL, SHUTTING_DOWN
   */
  join(caller: string, charges: readonly Charge[], maxWait: number): Ticket {
    const flow = this.#flowOf(caller, charges);
    if (this.#closed) throw new ResilienceError('SHUTTING_DOWN', 'rate limiter: it has been shut down');
    this.#makeRoom(flow);
    const { clock } = this.#options;
    let waiter!: Waiter;
    const granted = new Promise<number>((resolve, reject) => {
      const cost = charges.reduce((most, charge) => Math.max(most, charge.cost), 0);
      const since = clock.now();
      waiter = { flow, cost, charges, since, grant: resolve, refuse: reject, timeout: undefined, waiting: true };
    });
    if (maxWait !== Infinity) {
      waiter.timeout = startTimer(clock, () => this.#leave(waiter, timeoutError(maxWait)), maxWait);
    }
    this.#flows.add(waiter);
    this.#close(charges);
    this.#schedule();
    return { granted, cancel: (reason) => this.#leave(waiter, reason) };
  }

  /** Tries again now: a bucket was filled by hand, or a limit raised. */
  wake(): void {
    if (this.#flows.size > 0) this.#pass();
  }

  /** Rejects every waiting request, and every later one, with SHUTTING_DOWN. */
  close(): void {
    this.#closed = true;
    for (const waiter of [...this.#flows.all()]) {
      this.#leave(waiter, new ResilienceError('SHUTTING_DOWN', 'rate limiter: it was shut down while this waited'));
    }
    this.#timer?.cancel();
  }

  #flowOf(caller: string, charges: readonly Charge[]): string {
    return this.#options.takesTurns === false ? charges.map(bucketId).join('\n') : caller;
  }

  /** A full queue gives the place of the newest in the longest flow to a flow that has fewer waiting. */
  #makeRoom(flow: string): void {
    if (this.#flows.size < this.#options.maxQueue) return;
    const displaced = this.#flows.newestOfLongest(flow);
    const full = new ResilienceError('QUEUE_FULL', `rate limiter: ${this.#flows.size} are waiting already`);
    if (displaced === undefined) throw full;
    this.#leave(displaced, full);
  }

  #leave(waiter: Waiter, reason: unknown): void {
    if (!this.#settle(waiter)) return;
    this.#flows.remove(waiter);
    waiter.refuse(reason);
    if (this.#flows.size === 0) this.#rest();
  }

  /** False when the waiter had been settled before. */
  #settle(waiter: Waiter): boolean {
    if (!waiter.waiting) return false;
    waiter.waiting = false;
    waiter.timeout?.cancel();
    return true;
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#closedBuckets.clear();
    this.#opensAt = Infinity;
  }

  /** Serves the flows in turn until no flow's first request can be paid. */
  #pass(): void {
    if (this.#passing) {
      this.#again = true;
      return;
    }
    this.#passing = true;
    this.#rest();
    this.#serve(0);
  }

  /** @param refused how many flows in a row could not be served */
  #serve(refused: number): void {
    while (refused < this.#flows.active) {
      const waiter = this.#flows.head()!;
      if (waiter.charges.some((charge) => this.#closedBuckets.has(bucketId(charge)))) {
        this.#flows.skip();
        refused++;
        continue;
      }
      const taken = this.#attempt(waiter);
      if (typeof taken !== 'boolean') {
        const soFar = refused;
        void taken.then((outcome) => this.#serve(this.#conclude(waiter, outcome) ? 0 : soFar));
        return;
      }
      if (this.#conclude(waiter, taken)) refused = 0;
    }
    this.#passing = false;
    if (!this.#again) return this.#schedule();
    this.#again = false;
    this.#pass();
  }

  /** Never rejects: a store that fails refuses the waiter with its error. */
  #attempt(waiter: Waiter): Eventually<boolean> {
    const failed = (error: unknown): boolean => {
      this.#leave(waiter, error);
      return false;
    };
    try {
      const taken = this.#options.take(waiter.charges);
      return typeof taken === 'boolean' ? taken : taken.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  /** Returns whether the queue moved on. */
  #conclude(waiter: Waiter, taken: boolean): boolean {
    if (!taken) {
      if (!waiter.waiting) return true;
      this.#close(waiter.charges);
      return false;
    }
    if (this.#settle(waiter)) {
      this.#flows.served(waiter);
      waiter.grant(this.#options.clock.now() - waiter.since);
    } else {
      // It left while the store was deciding.
      void Promise.resolve(this.#options.refund(waiter.charges)).catch(() => undefined);
    }
    return true;
  }

  /** Marks the buckets that refused these charges; all of them where a store refused without saying which. */
  #close(charges: readonly Charge[]): void {
    const now = this.#options.clock.now();
    const unknown = charges.every((charge) => charge.retryAfter === 0);
    for (const charge of charges) {
      if (charge.retryAfter === 0 && !unknown) continue;
      this.#closedBuckets.add(bucketId(charge));
      this.#opensAt = Math.min(this.#opensAt, now + charge.retryAfter);
    }
  }

  #untilNextPass(): number {
    return Math.max(SHORTEST_SLEEP, this.#opensAt - this.#options.clock.now());
  }

  #schedule(): void {
    if (this.#passing || this.#flows.size === 0) return;
    this.#timer?.cancel();
    const { clock } = this.#options;
    const wait = Math.min(LONGEST_SLEEP, this.#untilNextPass());
    this.#timer = startTimer(clock, () => this.#pass(), wait, true); // somebody awaits it
  }
}

function timeoutError(maxWait: number): ResilienceError {
  return new ResilienceError('ACQUIRE_TIMEOUT', `rate limiter: timeout after waiting ${maxWait} ms for a token`);
}

/** Waits for a ticket, traced; an abort of the signal leaves the queue. Resolves with the milliseconds waited. */
export async function waitFor(ticket: Ticket, signal: AbortSignal | undefined): Promise<number> {
  const span = startSpan('rate_limit.wait');
  const leave = (): void => ticket.cancel(signal!.reason);
  if (signal?.aborted) leave();
  else signal?.addEventListener('abort', leave, { once: true });
  try {
    const waited = await ticket.granted;
    span?.end();
    return waited;
  } catch (error) {
    span?.end(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', leave);
  }
}
