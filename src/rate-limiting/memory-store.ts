/** Buckets in this process: the default store, exact, synchronous and bounded. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { checkOptions, clock as clockCheck, count, type OptionChecks } from '../shared/options.js';
import { BucketTable } from './bucket-table.js';
import { microseconds, refillTime, unitsOf, type Quota } from './quota.js';
import type { Charge, RateLimitStore } from './store.js';

/** The bound of the store in memory. */
export interface MemoryStoreOptions {
  /**
   * Most buckets kept for one policy; 500,000 unless told, about 60 MB when reached. Buckets that have refilled are
   * dropped all along; where that is not enough, the bucket nearest to full gives way to a new key.
   */
  readonly maxKeys?: number;
  /** Time the buckets refill by; monotonic unless told. */
  readonly clock?: Clock;
}

const DEFAULT_MAX_KEYS = 500_000;
const OPTIONS: OptionChecks<MemoryStoreOptions> = { maxKeys: count(), clock: clockCheck };

/** Keeps token buckets in memory. Several limiters may share one store: buckets are told apart by policy name. */
export class MemoryStore implements RateLimitStore {
  readonly synchronous = true;
  readonly #tables = new Map<string, BucketTable>();
  readonly #maxKeys: number;
  readonly #clock: Clock;
  readonly #slots: number[] = [];
  #lastTable: BucketTable | undefined; // most decisions ask the policy that the one before asked
  #lastName: string | undefined;
  #lastSeen: number;
  #time = 0;

  /** @throws TypeError, RangeError for an option that is unknown, mistyped or out of range */
  constructor(options?: MemoryStoreOptions) {
    const { maxKeys = DEFAULT_MAX_KEYS, clock = monotonicClock } = checkOptions('MemoryStore', options, OPTIONS);
    this.#maxKeys = maxKeys;
    this.#clock = clock;
    this.#lastSeen = microseconds(clock.now());
  }

  /** Buckets kept now. */
  get size(): number {
    let size = 0;
    for (const table of this.#tables.values()) size += table.size;
    return size;
  }

  /** Buckets that gave way to new keys before they had refilled, since the start. More than 0: raise `maxKeys`. */
  get evictions(): number {
    let evictions = 0;
    for (const table of this.#tables.values()) evictions += table.evictions;
    return evictions;
  }

  take(charges: readonly Charge[]): boolean {
    const now = this.#now();
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

  refund(charges: readonly Charge[]): void {
    const now = this.#now();
    for (const { key, quota, cost } of charges) {
      const table = this.#table(quota);
      const slot = table.touch(key, quota, now);
      table.setDebt(slot, Math.max(0, table.debt(slot) - unitsOf(quota, cost)));
    }
  }

  read(key: string, quota: Quota): number {
    const debt = this.#table(quota).peek(key, quota, this.#now());
    return (quota.capacity - debt) / quota.unitsPerToken;
  }

  write(key: string, quota: Quota, tokens: number): void {
    const table = this.#table(quota);
    const slot = table.touch(key, quota, this.#now());
    table.setDebt(slot, quota.capacity - Math.min(quota.capacity, Math.max(0, unitsOf(quota, tokens))));
  }

  reset(key: string, quota: Quota): void {
    this.#table(quota).delete(key);
  }

  close(): void {
    this.#tables.clear();
    this.#lastName = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  /**
   * Microseconds that have passed, of which a clock that went back adds none: it neither fills a bucket nor locks
   * anybody out until it has caught up.
   */
  #now(): number {
    const seen = microseconds(this.#clock.now());
    if (seen > this.#lastSeen) this.#time += seen - this.#lastSeen;
    this.#lastSeen = seen;
    return this.#time;
  }

  #table({ name }: Quota): BucketTable {
    if (name === this.#lastName) return this.#lastTable!;
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new BucketTable(this.#maxKeys);
      this.#tables.set(name, table);
    }
    this.#lastName = name;
    this.#lastTable = table;
    return table;
  }
}

/** The commonest decision: no bucket has to wait for what the others say. */
function takeOne(charge: Charge, table: BucketTable, now: number): boolean {
  const slot = table.touch(charge.key, charge.quota, now);
  const short = shortOf(charge, table.debt(slot));
  charge.retryAfter = short > 0 ? waitFor(charge, short) : 0;
  settle(charge, table, slot, short <= 0);
  return short <= 0;
}

/** Units missing to pay; at most 0 where they are there. */
function shortOf({ quota, cost }: Charge, debt: number): number {
  return debt + unitsOf(quota, cost) - quota.capacity;
}

function settle(charge: Charge, table: BucketTable, slot: number, allowed: boolean): void {
  const { quota, cost } = charge;
  let debt = table.debt(slot);
  if (allowed) {
    debt += unitsOf(quota, cost);
    table.setDebt(slot, debt);
  }
  charge.remaining = (quota.capacity - debt) / quota.unitsPerToken;
}

/** A cost above the capacity is never paid, however long one waits. */
function waitFor({ quota, cost }: Charge, short: number): number {
  return unitsOf(quota, cost) > quota.capacity ? Infinity : refillTime(quota, short);
}
