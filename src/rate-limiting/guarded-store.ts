/**
 * Guards a shared store: while it is unavailable, decisions are made locally, allowed or denied. A circuit breaker avoids
 * the wait for a store that keeps failing, and lets one probe at a time check whether it is available again. Tokens
 * admitted locally are then charged to the store.
 */
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { warnOnce, type WarningsOption } from '../shared/warnings.js';
import { LocalShares } from './local-shares.js';
import type { Quota } from './quota.js';
import { QuotaWatch } from './quota-watch.js';
import { cannotResetAll, storeMisuse, unavailable } from './store-faults.js';
import { FAILURES_TO_OPEN, StoreOutage } from './store-outage.js';
import { charge, type Charge, type Eventually, type RateLimitStore } from './store.js';

/** A way to decide while the store is unavailable. */
export type StoreErrorDecision = 'local' | 'allow' | 'deny';

/**
 * What happens while the store is unavailable: this process applies its share of the limit ('local'), every request is
 * admitted ('allow'), or rejected with STORE_UNAVAILABLE ('deny'). A function is called per decision with the last error.
 */
export type OnStoreError = StoreErrorDecision | ((error: unknown) => Eventually<StoreErrorDecision>);

/** A store became unavailable, or available again. */
export interface StoreChange {
  readonly available: boolean;
  /** Why it is unavailable. */
  readonly error?: unknown;
}

export interface GuardedStoreOptions {
  readonly store: RateLimitStore;
  readonly policy: OnStoreError;
  readonly clock: Clock;
  /** The limiter's name, for warnings. */
  readonly place: string;
  readonly warnings?: WarningsOption | undefined;
}

/** How many buckets are settled at a time. */
const SETTLED_AT_ONCE = 100;
/** Milliseconds between two attempts to settle when no request makes one. */
const SETTLE_EVERY = 1_500; // longer than the breaker stays open, so that requests probe first

export class GuardedStore implements RateLimitStore {
  readonly #store: RateLimitStore;
  readonly #policy: OnStoreError;
  readonly #clock: Clock;
  readonly #place: string;
  readonly #warnings: WarningsOption | undefined;
  readonly #shares: LocalShares;
  readonly #watch: QuotaWatch;
  readonly #changes = new Listeners<[StoreChange]>('RateLimiter store listener');
  readonly #outage: StoreOutage;
  #settling: Timer | undefined;
  #isClosed = false;

  constructor({ store, policy, clock, place, warnings }: GuardedStoreOptions) {
    this.#store = store;
    this.#policy = policy;
    this.#clock = clock;
    this.#place = place;
    this.#warnings = warnings;
    this.#outage = new StoreOutage(clock, () => this.instances);
    this.#shares = new LocalShares(clock, this.#outage);
    this.#watch = new QuotaWatch(store, clock, warnings);
  }

  get instances(): number {
    return Math.max(1, this.#store.instances ?? 1);
  }

  /** Whether the last call succeeded, how many calls failed, and the last error. */
  get health(): { available: boolean; failures: number; lastError: string | undefined } {
    return this.#outage.health;
  }

  /** @returns a function that stops listening */
  onChange(listener: (change: StoreChange) => unknown): () => void {
    return this.#changes.add(listener);
  }

  /** Warns if other processes use another limit of this name on the same store. */
  watch(quota: Quota): void {
    this.#watch.add(quota);
  }

  async take(charges: readonly Charge[]): Promise<boolean> {
    if (this.#outage.mayAsk()) {
      this.#watch.tick();
      const began = this.#clock.now();
      try {
        // Sent in the same turn and before the decision, so that the store knows what is really spent.
        const due = this.#shares.owedFor(charges);
        if (due !== undefined) await this.#payFirst(due);
        const asked = this.#shares.ask();
        const allowed = await this.#store.take(charges);
        this.#succeeded();
        if (this.#keepsShares) this.#shares.learn(charges, asked);
        return allowed;
      } catch (error) {
        this.#failed(error, began);
      }
    }
    const { allowed } = await this.#decideWithout(charges);
    return allowed;
  }

  async spend(charges: readonly Charge[]): Promise<void> {
    await this.#attempt(() => Promise.all(charges.map((one) => this.#spendOne(one))));
  }

  refund(charges: readonly Charge[]): Promise<void> {
    return this.#attempt(() => this.#store.refund(charges));
  }

  read(key: string, quota: Quota): Promise<number> {
    return this.#attempt(() => this.#store.read(key, quota));
  }

  write(key: string, quota: Quota, tokens: number): Promise<void> {
    this.#shares.forget(key, quota);
    return this.#attempt(() => this.#store.write(key, quota, tokens));
  }

  reset(key: string, quota: Quota): Promise<void> {
    this.#shares.forget(key, quota);
    return this.#attempt(() => this.#store.reset(key, quota));
  }

  /** @throws ResilienceError NOT_CONFIGURED where the store cannot */
  resetAll(name: string): Promise<void> {
    if (this.#store.resetAll === undefined) return Promise.reject(cannotResetAll());
    this.#shares.clear(name);
    return this.#attempt(() => this.#store.resetAll!(name));
  }

  async close(): Promise<void> {
    await this.release();
    await this.#store.close();
  }

  /** Stops guarding. The store stays open, because the limiter does not own it. */
  async release(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#settling?.cancel();
    if (this.#outage.failures === 0) await this.#settle();
    this.#shares.clear();
  }

  get #keepsShares(): boolean {
    return this.#policy === 'local' || typeof this.#policy === 'function';
  }

  /** Operations other than decisions have no local answer, so they fail. */
  async #attempt<T>(operation: () => Eventually<T>): Promise<T> {
    const began = this.#clock.now();
    try {
      const value = await operation();
      this.#succeeded();
      return value;
    } catch (error) {
      this.#failed(error, began);
      throw unavailable(error);
    }
  }

  async #decideWithout(charges: readonly Charge[]): Promise<{ allowed: boolean }> {
    const decision = typeof this.#policy === 'function' ? await this.#policy(this.#outage.lastError) : this.#policy;
    if (decision === 'local') {
      const allowed = this.#shares.decide(charges);
      if (allowed) this.#settleLater();
      return { allowed };
    }
    if (decision !== 'allow') throw unavailable(undefined);
    for (const one of charges) {
      one.remaining = one.quota.rateLimit;
      one.retryAfter = 0;
    }
    return { allowed: true };
  }

  /** A store with `spend` is charged without waiting, because it keeps the order. */
  #payFirst(due: readonly Charge[]): Promise<void> | undefined {
    const paid = Promise.all(due.map((one) => this.#payOne(one)));
    if (this.#store.spend === undefined) return paid.then(() => undefined);
    paid.catch(() => undefined); // the question that follows fails too, or the charge is owed still
    return undefined;
  }

  async #payOne(due: Charge): Promise<void> {
    let paid = 0;
    const asked = this.#shares.ask();
    try {
      paid = await this.#spendOne(due);
      this.#shares.learn([due], asked);
    } finally {
      this.#shares.settle(due, paid);
    }
    this.#succeeded();
  }

  /** Returns the tokens charged: all, or what the bucket could pay if the store has no `spend`. */
  async #spendOne(due: Charge): Promise<number> {
    if (this.#store.spend !== undefined) {
      await this.#twice(() => this.#store.spend!([due]));
      return due.cost;
    }
    const whole = charge(due.key, due.quota, due.cost);
    const taken = await this.#twice(() => this.#store.take([whole]));
    due.remaining = whole.remaining;
    if (taken || whole.remaining <= 0) return taken ? due.cost : 0;
    const part = charge(due.key, due.quota, Math.min(due.cost, whole.remaining));
    const takenPart = await this.#twice(() => this.#store.take([part]));
    due.remaining = part.remaining;
    return takenPart ? part.cost : 0;
  }

  /**
   * Tries once more if the store has answered lately. Otherwise, a process whose calls fail by chance would spend tokens
   * that it never charges.
   */
  async #twice<T>(operation: () => Eventually<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      if (this.#outage.failures > 1) throw error;
      return operation();
    }
  }

  /** Charges the store what is owed. Returns whether that succeeded. */
  async #settle(): Promise<boolean> {
    const due = this.#shares.owedByAny(SETTLED_AT_ONCE);
    if (due.length === 0) return true;
    const began = this.#clock.now();
    try {
      await Promise.all(due.map((one) => this.#payOne(one)));
      this.#succeeded();
      return true;
    } catch (error) {
      this.#failed(error, began);
      return false;
    }
  }

  /** Charges what is owed as soon as the store can be reached, even if no further request comes. */
  #settleLater(): void {
    if (this.#settling !== undefined || this.#isClosed) return;
    this.#settling = startTimer(
      this.#clock,
      () => {
        const attempt = this.#outage.mayAsk() ? this.#settle() : Promise.resolve(false);
        void attempt.then(() => {
          this.#settling = undefined;
          if (this.#shares.owesAny) this.#settleLater();
        });
      },
      SETTLE_EVERY,
    );
  }

  #succeeded(): void {
    if (!this.#outage.succeeded()) return;
    this.#changes.emit({ available: true });
    if (this.#shares.owesAny) void this.#settle();
  }

  #failed(error: unknown, began: number): void {
    this.#outage.failed(error, began);
    if (this.#outage.failures === 1) this.#changes.emit({ available: false, error });
    this.#warn(error);
  }

  #warn(error: unknown): void {
    const misuse = storeMisuse(error);
    if (misuse !== undefined) {
      warnOnce('TOOLOO_LIMIT_STORE_MISUSED', this.#place, `the store rejects commands: ${misuse}`, this.#warnings);
    } else if (this.#outage.failures === FAILURES_TO_OPEN) {
      const meanwhile = typeof this.#policy === 'function' ? 'your function' : `'${this.#policy}'`;
      const message = `the store does not answer; onStoreError decides meanwhile (${meanwhile})`;
      warnOnce('TOOLOO_LIMIT_STORE_FAILED', this.#place, message, this.#warnings);
    }
  }
}
