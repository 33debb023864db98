/**
 * One request to the origin for many requests for the same response: the first one leads, and the others wait for the
 * result.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startTimer, type Clock } from '../../shared/clock.js';
import { bindContext } from '../../shared/instrumentation.js';
import { onRequestOver } from '../../shared/request-over.js';

/**
 * The end of a wait.
 *
 * - `retry`: a response was stored, look again.
 * - `lead`: the leader gave up, this request leads now.
 * - `pass`: go to the origin alone, because the response cannot be shared or the wait was too long.
 * - `gone`: the client left.
 */
export type WaitOutcome = 'retry' | 'lead' | 'pass' | 'gone';

interface Waiter {
  readonly settle: (outcome: WaitOutcome) => void;
}

interface Flight {
  readonly waiters: Set<Waiter>;
  /** The response of the leader has begun and will be stored, so a longer wait is useful. */
  isComing: boolean;
  /** A request has waited for its head without success, so other requests do not wait. */
  isLate: boolean;
}

/** How long to wait for a leader, in milliseconds. */
export interface WaitLimits {
  /** For the head of its response. */
  readonly head: number;
  /** In total. */
  readonly whole: number;
}

export class SingleFlight {
  readonly #flights = new Map<string, Flight>();
  #waiting = 0;

  /** The number of requests waiting now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The number of keys being fetched now. */
  get size(): number {
    return this.#flights.size;
  }

  isOpen(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Takes the lead for a key; false if another request has it. The leader ends with `stored`, `pass` or `handOver`. */
  lead(key: string): boolean {
    if (this.#flights.has(key)) return false;
    this.#flights.set(key, { waiters: new Set(), isComing: false, isLate: false });
    return true;
  }

  /** The head of the leader's response has arrived, and the response will be stored. */
  coming(key: string): void {
    const flight = this.#flights.get(key);
    if (flight !== undefined) flight.isComing = true;
  }

  /** Waits for the leader of a key. Resumes in the waiter's own trace context. */
  wait(key: string, req: IncomingMessage, res: ServerResponse, limits: WaitLimits, clock: Clock): Promise<WaitOutcome> {
    const flight = this.#flights.get(key);
    if (flight === undefined) return Promise.resolve('retry');
    if (flight.isLate && !flight.isComing) return Promise.resolve('pass');
    this.#waiting++;
    return new Promise((resolve) => {
      const settle = bindContext((outcome: WaitOutcome) => {
        if (!flight.waiters.delete(waiter)) return;
        this.#waiting--;
        timer.cancel();
        stopListening();
        resolve(outcome);
      });
      const waiter: Waiter = { settle };
      const onHeadLate = (): void => {
        const rest = limits.whole - limits.head;
        if (flight.isComing && rest > 0) timer = startTimer(clock, () => settle('pass'), rest);
        else {
          flight.isLate = !flight.isComing;
          settle('pass');
        }
      };
      let timer = startTimer(clock, onHeadLate, Math.min(limits.head, limits.whole));
      const stopListening = onRequestOver(req, res, () => settle('gone'));
      flight.waiters.add(waiter);
    });
  }

  /** The leader stored a response: all waiting requests look again. */
  stored(key: string): void {
    this.#end(key, 'retry');
  }

  /** The leader's response cannot be shared: all waiting requests go to the origin alone, at once. */
  pass(key: string): void {
    this.#end(key, 'pass');
  }

  /** The leader has no response: the longest waiter leads, the others continue to wait. */
  handOver(key: string): void {
    const flight = this.#flights.get(key);
    const [next] = flight?.waiters ?? [];
    if (flight === undefined || next === undefined) this.#flights.delete(key);
    else {
      flight.isComing = false;
      flight.isLate = false;
      next.settle('lead');
    }
  }

  #end(key: string, outcome: WaitOutcome): void {
    const waiters = this.#flights.get(key)?.waiters;
    this.#flights.delete(key);
    for (const waiter of [...(waiters ?? [])]) waiter.settle(outcome);
  }
}
