/**
 * The buckets of one policy, in columns (time never goes back here): a key costs two numbers and two references beside its entry in the index,
 * and a decision allocates nothing. A bucket holds its debt (capacity − tokens), so that an absent one is a full one.
 */
import type { Quota } from './quota.js';

const INITIAL_SLOTS = 1024;
/** Buckets looked at when a new key comes: enough that what has refilled leaves faster than new keys arrive. */
const LOOKED_AT = 8;
/** One decision in so many looks at further buckets, so that an attack's leftovers go also when no new key comes. */
const DECISIONS_PER_STEP = 64;

const SHORTEST_SLICE = 13; // V8 copies shorter substrings anyway

/** A copy of its own: a key cut out of a header would keep the whole header alive for as long as the bucket. */
function detached(key: string): string {
  return key.length < SHORTEST_SLICE ? key : (JSON.parse(JSON.stringify(key)) as string);
}

export class BucketTable {
  readonly #maxKeys: number;
  readonly #index = new Map<string, number>();
  #keys: string[] = [];
  #quotas: Quota[] = [];
  #debts = new Float64Array(INITIAL_SLOTS);
  #times = new Float64Array(INITIAL_SLOTS);
  #hand = 0;
  #untilStep = DECISIONS_PER_STEP;
  #evictions = 0;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Buckets given up although they were not full. */
  get evictions(): number {
    return this.#evictions;
  }

  /** The bucket's slot, refilled up to `now` (µs); made where it is missing. Valid until the next call of `touch`. */
  touch(key: string, quota: Quota, now: number): number {
    if (--this.#untilStep === 0) {
      this.#untilStep = DECISIONS_PER_STEP;
      this.#dropRefilled(now);
    }
    const slot = this.#index.get(key);
    if (slot === undefined) return this.#add(key, quota, now);
    this.#bringUp(slot, quota, now);
    return slot;
  }

  /** Debt of a bucket now; a missing one is not made. */
  peek(key: string, quota: Quota, now: number): number {
    const slot = this.#index.get(key);
    if (slot === undefined) return 0;
    this.#bringUp(slot, quota, now);
    return this.#debts[slot]!;
  }

  debt(slot: number): number {
    return this.#debts[slot]!;
  }

  setDebt(slot: number, debt: number): void {
    this.#debts[slot] = debt;
  }

  delete(key: string): void {
    const slot = this.#index.get(key);
    if (slot !== undefined) this.#remove(slot);
  }

  clear(): void {
    this.#index.clear();
    this.#keys = [];
    this.#quotas = [];
    this.#resize(INITIAL_SLOTS);
  }

  #bringUp(slot: number, quota: Quota, now: number): void {
    if (this.#quotas[slot] === quota) this.#refill(slot, quota, now);
    else this.#convert(slot, quota, now);
  }

  #refill(slot: number, quota: Quota, now: number): void {
    const debt = this.#debts[slot]!;
    if (debt > 0) {
      const left = debt - (now - this.#times[slot]!) * quota.unitsPerMicrosecond;
      this.#debts[slot] = left > 0 ? left : 0;
    }
    this.#times[slot] = now;
  }

  /** The limit changed: what is spent stays spent, in the new quota's units. */
  #convert(slot: number, quota: Quota, now: number): void {
    const old = this.#quotas[slot]!;
    this.#refill(slot, old, now);
    this.#debts[slot] = Math.min(
      quota.capacity,
      Math.round((this.#debts[slot]! / old.unitsPerToken) * quota.unitsPerToken),
    );
    this.#quotas[slot] = quota;
  }

  #add(key: string, quota: Quota, now: number): number {
    const nearestToFull = this.#dropRefilled(now);
    if (this.#keys.length >= this.#maxKeys) {
      this.#evictions++;
      this.#remove(nearestToFull);
    }
    const slot = this.#keys.length;
    if (slot === this.#debts.length) this.#resize(Math.min(this.#maxKeys, slot * 2));
    const own = detached(key);
    this.#index.set(own, slot);
    this.#keys.push(own);
    this.#quotas.push(quota);
    this.#debts[slot] = 0;
    this.#times[slot] = now;
    return slot;
  }

  /**
   * Moves the hand over the next buckets and drops those that have refilled: they say nothing. Returns the one of the
   * others that is nearest to full, which has to go where the table is full: who rotates keys frees buckets that owe
   * little, never the one that is being limited.
   */
  #dropRefilled(now: number): number {
    let nearestToFull = 0;
    let least = Infinity;
    for (let looked = 0; looked < LOOKED_AT && this.#keys.length > 0; looked++) {
      if (this.#hand >= this.#keys.length) this.#hand = 0;
      const slot = this.#hand;
      const quota = this.#quotas[slot]!;
      this.#refill(slot, quota, now);
      const owed = this.#debts[slot]! / quota.unitsPerToken;
      if (owed === 0) {
        this.#remove(slot); // the last bucket moves here and is looked at next
        least = Infinity;
        nearestToFull = 0;
        continue;
      }
      if (owed < least) [least, nearestToFull] = [owed, slot];
      this.#hand++;
    }
    return nearestToFull;
  }

  /** The last bucket takes the place of the removed one, so that the columns have no holes. */
  #remove(slot: number): void {
    this.#index.delete(this.#keys[slot]!);
    const last = this.#keys.length - 1;
    const key = this.#keys.pop()!;
    const quota = this.#quotas.pop()!;
    if (slot !== last) {
      this.#keys[slot] = key;
      this.#quotas[slot] = quota;
      this.#debts[slot] = this.#debts[last]!;
      this.#times[slot] = this.#times[last]!;
      this.#index.set(key, slot);
    }
    if (last < this.#debts.length / 4 && this.#debts.length > INITIAL_SLOTS)
      this.#resize(Math.ceil(this.#debts.length / 2));
  }

  #resize(slots: number): void {
    const grow = (column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const resized = new Float64Array(slots);
      resized.set(column.subarray(0, Math.min(slots, this.#keys.length)));
      return resized;
    };
    this.#debts = grow(this.#debts);
    this.#times = grow(this.#times);
  }
}
