/**
 * A shared store with a plan for when it is away: deciding locally, allowing or denying. A breaker spares requests the
 * wait for a store that keeps failing; one probe at a time finds out when it is back.
 */
import type { Clock } from '../shared/clock.js';
import { messageOf, ResilienceError } from '../shared/errors.js';
import { MemoryStore } from './memory-store.js';
import { resolveQuota, type Quota } from './quota.js';
import type { Charge, Eventually, RateLimitStore } from './store.js';

/**
 * What decides while the store is away: buckets of this process holding its part of the limit ('local'), nobody
 * ('allow'), or an error STORE_UNAVAILABLE ('deny').
 */
export type OnStoreError = 'local' | 'allow' | 'deny';

const FAILURES_TO_OPEN = 5;
const OPEN_FOR = 1_000;

export class GuardedStore implements RateLimitStore {
  readonly #store: RateLimitStore;
  readonly #policy: OnStoreError;
  readonly #clock: Clock;
  readonly #local: MemoryStore;
  #shares = new WeakMap<Quota, Quota>();
  #instances = 1;
  #failures = 0; // in a row
  #openUntil = -Infinity;
  #totalFailures = 0;
  #lastError: string | undefined;

  constructor(store: RateLimitStore, policy: OnStoreError, clock: Clock) {
    this.#store = store;
    this.#policy = policy;
    this.#clock = clock;
    this.#local = new MemoryStore({ clock });
  }

  get instances(): number {
    return this.#store.instances ?? 1;
  }

  /** Whether the store answered last, how often it did not, and why. */
  get health(): { available: boolean; failures: number; lastError: string | undefined } {
    return { available: this.#failures === 0, failures: this.#totalFailures, lastError: this.#lastError };
  }

  async take(charges: readonly Charge[]): Promise<boolean> {
    if (this.#mayAsk()) {
      try {
        const allowed = await this.#store.take(charges);
        this.#succeeded();
        return allowed;
      } catch (error) {
        this.#failed(error);
      }
    }
    return this.#decideWithout(charges);
  }

  refund(charges: readonly Charge[]): Promise<void> {
    return this.#attempt(() => this.#store.refund(charges));
  }

  read(key: string, quota: Quota): Promise<number> {
    return this.#attempt(() => this.#store.read(key, quota));
  }

  write(key: string, quota: Quota, tokens: number): Promise<void> {
    return this.#attempt(() => this.#store.write(key, quota, tokens));
  }

  reset(key: string, quota: Quota): Promise<void> {
    this.#local.reset(key, this.#share(quota));
    return this.#attempt(() => this.#store.reset(key, quota));
  }

  async close(): Promise<void> {
    this.#local.close();
    await this.#store.close();
  }

  /** Operations that decide nothing have no local answer: they fail as themselves. */
  async #attempt<T>(operation: () => Eventually<T>): Promise<T> {
    try {
      const value = await operation();
      this.#succeeded();
      return value;
    } catch (error) {
      this.#failed(error);
      throw unavailable(error);
    }
  }

  #decideWithout(charges: readonly Charge[]): boolean {
    if (this.#policy === 'deny') throw unavailable(undefined);
    if (this.#policy === 'local') return this.#decideLocally(charges);
    for (const charge of charges) {
      charge.remaining = charge.quota.rateLimit;
      charge.retryAfter = 0;
    }
    return true;
  }

  /** Every process holds its part of each limit, so that together they still hold the limit. */
  #decideLocally(charges: readonly Charge[]): boolean {
    const own = charges.map((charge) => {
      const quota = this.#share(charge.quota);
      return { ...charge, quota, cost: Math.min(charge.cost, quota.rateLimit) }; // a part must not refuse for ever what the whole admits
    });
    const allowed = this.#local.take(own);
    charges.forEach((charge, i) => {
      charge.remaining = own[i]!.remaining;
      charge.retryAfter = own[i]!.retryAfter;
    });
    return allowed;
  }

  #share(quota: Quota): Quota {
    if (this.#instances !== this.instances) {
      this.#instances = this.instances;
      this.#shares = new WeakMap();
    }
    if (this.#instances === 1) return quota;
    let share = this.#shares.get(quota);
    if (share === undefined) {
      const rateLimit = quota.rateLimit === 0 ? 0 : Math.max(1, quota.rateLimit / this.#instances);
      share = resolveQuota(quota.name, { rateLimit, refillRate: quota.refillRate / this.#instances });
      this.#shares.set(quota, share);
    }
    return share;
  }

  /** The breaker: closed, or open until a moment at which one request may ask. */
  #mayAsk(): boolean {
    if (this.#failures < FAILURES_TO_OPEN) return true;
    const now = this.#clock.now();
    if (now < this.#openUntil) return false;
    this.#openUntil = now + OPEN_FOR; // this one is the probe
    return true;
  }

  #succeeded(): void {
    this.#failures = 0;
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#totalFailures++;
    this.#lastError = describe(error);
    if (this.#failures >= FAILURES_TO_OPEN) this.#openUntil = this.#clock.now() + OPEN_FOR;
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

function unavailable(cause: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  return new ResilienceError('STORE_UNAVAILABLE', 'rate limiter: the store is unavailable', { cause });
}
