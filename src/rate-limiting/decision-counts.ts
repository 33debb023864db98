/** The decisions of a limiter since it was created. */
import { hiddenKey } from '../shared/hidden-key.js';
import { BusiestKeys } from './busiest-keys.js';
import type { RateLimiterStats } from './limiter-options.js';

export class DecisionCounts {
  readonly #hideKeys: boolean;
  readonly #busiest = new BusiestKeys();
  #allowed = 0;
  #denied = 0;
  #queued = 0;

  constructor(hideKeys: boolean) {
    this.#hideKeys = hideKeys;
  }

  allow(key: string): true {
    this.#allowed++;
    this.#busiest.record(key, false);
    return true;
  }

  deny(key: string): false {
    this.#denied++;
    this.#busiest.record(key, true);
    return false;
  }

  queue(): void {
    this.#queued++;
  }

  stats(waiting: number, store: RateLimiterStats['store']): RateLimiterStats {
    const decided = this.#allowed + this.#denied;
    return {
      totalRequests: decided + waiting,
      allowedRequests: this.#allowed,
      deniedRequests: this.#denied,
      queuedRequests: this.#queued,
      waitingRequests: waiting,
      allowRate: decided === 0 ? 1 : this.#allowed / decided,
      busiest: this.#busiest.top().map((busy) => (this.#hideKeys ? { ...busy, key: hiddenKey(busy.key) } : busy)),
      store,
    };
  }
}
