/** Buckets in this process: the default store, exact, synchronous and bounded. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions, clock as clockCheck, count, type OptionChecks } from '../shared/options.js';
import { warningsCheck, warnOnce, type WarningsOption } from '../shared/warnings.js';
import { BucketTable } from './bucket-table.js';
import { BurstTime } from './burst-time.js';
import { ALGORITHMS, refillTime, tokensLeft, unitsOf, type Quota } from './quota.js';
import { describeDecision, type Charge, type RateLimitStore } from './store.js';

/** The bound of the store in memory. */
export interface MemoryStoreOptions {
  /**
   * How many buckets are kept per policy. Default 500,000, which is about 60 MB. Buckets that have refilled are dropped
   * continuously. If that is not enough, the bucket nearest to full is evicted for a new key.
   */
  readonly maxKeys?: number;
  /** The clock by which buckets refill. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Which warnings are given. Default all. */
  readonly warnings?: WarningsOption;
}

const DEFAULT_MAX_KEYS = 500_000;
const OPTIONS: OptionChecks<MemoryStoreOptions> = { maxKeys: count(), clock: clockCheck, warnings: warningsCheck };

/**
 * Keeps token buckets in memory. Several limiters may share one store: the policy's name is part of a bucket's key.
 *
 * @example
 * import { MemoryStore, RateLimiter } from '@tooloo/resilience';
 *
 * const store = new MemoryStore({ maxKeys: 100_000 });
 * const limiter = new RateLimiter({ store, name: 'logins', rateLimit: 5, refillRate: 0.1 });
 */
export class MemoryStore implements RateLimitStore {
  readonly synchronous = true;
  readonly algorithms = ALGORITHMS;
  readonly #tables = new Map<string, BucketTable>();
  readonly #maxKeys: number;
  readonly #time: BurstTime;
  readonly #warnings: WarningsOption | undefined;
  readonly #slots: number[] = [];
  #lastTable: BucketTable | undefined; // most decisions ask the policy that the one before asked
  #lastName: string | undefined;

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options?: MemoryStoreOptions) {
    const checked = checkOptions('MemoryStore', options, OPTIONS);
    const { maxKeys = DEFAULT_MAX_KEYS, clock = monotonicClock, warnings } = checked;
    this.#warnings = warnings;
    this.#maxKeys = maxKeys;
    this.#time = new BurstTime(clock);
  }

  /** Number of buckets. */
  get size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }

  /** Buckets evicted before they had refilled, since the start. If it is above 0, raise `maxKeys`. */
  get evictions(): number {
    let evictions = 0;
    for (const table of this.#tables.values()) evictions += table.evictions;
    return evictions;
  }

  take(charges: readonly Charge[]): boolean {
    if (this.#takeAt(charges, this.#time.now())) return true;
    return this.#time.isShared && this.#takeAt(charges, this.#time.read());
  }

  #takeAt(charges: readonly Charge[], now: number): boolean {
    if (charges.length === 1) return takeOne(charges[0]!, this.#table(charges[0]!.quota), now);
    let allowed = true;
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i]!;
      const table = this.#table(charge.quota);
      const slot = (this.#slots[i] = table.touch(charge.key, charge.quota, now));
      const short = shortOf(charge, table.debt(slot));
      if (short > 0) allowed = false;
      charge.retryAfter = short > 0 ? waitFor(charge, short) : 0;
    }
    for (let i = 0; i < charges.length; i++) {
      const charge = charges[i]!;
      settle(charge, this.#table(charge.quota), this.#slots[i]!, allowed);
    }
    return allowed;
  }

  spend(charges: readonly Charge[]): void {
    const now = this.#time.read();
    for (const charge of charges) {
      const table = this.#table(charge.quota);
      settle(charge, table, table.touch(charge.key, charge.quota, now), true);
    }
  }

  refund(charges: readonly Charge[]): void {
    const now = this.#time.read();
    for (const { key, quota, cost } of charges) {
      const table = this.#table(quota);
      const slot = table.touch(key, quota, now);
      table.setOwed(slot, Math.max(0, table.debt(slot) - unitsOf(quota, cost)));
    }
  }

  read(key: string, quota: Quota): number {
    const debt = this.#table(quota).peek(key, quota, this.#time.read());
    return tokensLeft(quota, debt);
  }

  write(key: string, quota: Quota, tokens: number): void {
    const table = this.#table(quota);
    const slot = table.touch(key, quota, this.#time.read());
    table.setOwed(slot, quota.capacity - Math.min(quota.capacity, Math.max(0, unitsOf(quota, tokens))));
  }

  reset(key: string, quota: Quota): void {
    this.#table(quota).delete(key);
  }

  resetAll(policy: string): void {
    this.#tables.delete(policy);
    this.#lastName = undefined;
  }

  close(): void {
    this.#tables.clear();
    this.#lastName = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #table({ name }: Quota): BucketTable {
    if (name === this.#lastName) return this.#lastTable!;
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new BucketTable(this.#maxKeys, () => this.#warnOfEvictions(name));
      this.#tables.set(name, table);
    }
    this.#lastName = name;
    this.#lastTable = table;
    return table;
  }

  #warnOfEvictions(policy: string): void {
    const message = `more than ${this.#maxKeys} buckets are in use, so those nearest to full are evicted; raise 'maxKeys'`;
    warnOnce('TOOLOO_LIMIT_EVICTIONS', `rate limiter '${policy}'`, message, this.#warnings);
  }
}

/** The most common decision, on one bucket. Written out, because it runs per request. */
function takeOne(charge: Charge, table: BucketTable, now: number): boolean {
  const { key, quota, cost } = charge;
  const slot = table.touch(key, quota, now);
  const units = unitsOf(quota, cost);
  let debt = table.debt(slot);
  const short = cost === 0 ? 0 : debt + units - quota.capacity;
  const allowed = short <= 0;
  if (allowed) table.setDebt(slot, (debt += units));
  charge.retryAfter = allowed ? 0 : waitFor(charge, short);
  if (quota.window === 0) charge.remaining = tokensLeft(quota, debt);
  else describeDecision(charge, table.state(slot), allowed);
  return allowed;
}

/** Units that are missing; at most 0 if there are enough. A cost of 0 can always be paid. */
function shortOf({ quota, cost }: Charge, debt: number): number {
  return cost === 0 ? 0 : debt + unitsOf(quota, cost) - quota.capacity;
}

function settle(charge: Charge, table: BucketTable, slot: number, allowed: boolean): void {
  const { quota, cost } = charge;
  let debt = table.debt(slot);
  if (allowed) {
    debt += unitsOf(quota, cost);
    table.setDebt(slot, debt);
  }
  if (quota.window === 0) charge.remaining = tokensLeft(quota, debt);
  else describeDecision(charge, table.state(slot), allowed);
}

/** A cost above the capacity can never be paid. */
function waitFor({ quota, cost }: Charge, short: number): number {
  return unitsOf(quota, cost) > quota.capacity ? Infinity : refillTime(quota, short);
}
