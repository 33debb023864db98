/** One request to the origin for many that want the same: the first leads, the others wait for what it brings. */
import type { ServerResponse } from 'node:http';
import { startTimer, type Clock } from '../../shared/clock.js';
import { bindContext } from '../../shared/instrumentation.js';

/**
 * How a wait ends. `retry`: something was stored, look again. `lead`: the leader gave up, this request leads now. `pass`:
 * go to the origin alone, because the answer is not to be shared or the wait was too long. `gone`: the client left.
 */
export type WaitOutcome = 'retry' | 'lead' | 'pass' | 'gone';

interface Waiter {
  readonly settle: (outcome: WaitOutcome) => void;
}

export class SingleFlight {
  readonly #flights = new Map<string, Set<Waiter>>();
  #waiting = 0;

  /** Requests waiting now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Keys being fetched now. */
  get size(): number {
    return this.#flights.size;
  }

  isOpen(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Takes the lead for a key; false when another request has it. Whoever leads ends with `stored`, `pass` or `handOver`. */
  lead(key: string): boolean {
    if (this.#flights.has(key)) return false;
    this.#flights.set(key, new Set());
    return true;
  }

  /** Waits for the leader of a key, at most `timeout` ms. Resumes in the waiter's own trace context. */
  wait(key: string, res: ServerResponse, timeout: number, clock: Clock): Promise<WaitOutcome> {
    const waiters = this.#flights.get(key);
    if (waiters === undefined) return Promise.resolve('retry');
    this.#waiting++;
    return new Promise((resolve) => {
      const settle = bindContext((outcome: WaitOutcome) => {
        if (!waiters.delete(waiter)) return;
        this.#waiting--;
        timer.cancel();
        res.off('close', onClose);
        resolve(outcome);
      });
      const waiter: Waiter = { settle };
      const onClose = (): void => settle('gone');
      const timer = startTimer(clock, () => settle('pass'), timeout);
      res.once('close', onClose);
      waiters.add(waiter);
    });
  }

  /** The leader stored something: everyone looks again. */
  stored(key: string): void {
    this.#end(key, 'retry');
  }

  /** The leader's answer is not to be shared: everyone goes alone, at once and not one after the other. */
  pass(key: string): void {
    this.#end(key, 'pass');
  }

  /** The leader brought nothing: the one who has waited longest leads, the others go on waiting. */
  handOver(key: string): void {
    const [next] = this.#flights.get(key) ?? [];
    if (next === undefined) this.#flights.delete(key);
    else next.settle('lead');
  }

  #end(key: string, outcome: WaitOutcome): void {
    const waiters = this.#flights.get(key);
    this.#flights.delete(key);
    for (const waiter of [...(waiters ?? [])]) waiter.settle(outcome);
  }
}
