/** Remembers for which resources the answer was not to be stored: requests for them do not wait for one another. */
import { LRUCache } from 'lru-cache';

/** How long one such answer is believed (milliseconds). */
const REMEMBERED = 120_000;

/** Most resources remembered; forgetting one costs its next requests a wait. */
const MOST = 10_000;

export class HitForMiss {
  readonly #until = new LRUCache<string, number>({ max: MOST });

  mark(key: string, now: number): void {
    this.#until.set(key, now + REMEMBERED);
  }

  has(key: string, now: number): boolean {
    if (this.#until.size === 0) return false;
    const until = this.#until.get(key);
    if (until === undefined) return false;
    // A clock set back must not make this last longer than it was meant to.
    if (now < until && until - now <= REMEMBERED) return true;
    this.#until.delete(key);
    return false;
  }

  forget(key: string): void {
    if (this.#until.size > 0) this.#until.delete(key);
  }

  clear(): void {
    this.#until.clear();
  }
}
