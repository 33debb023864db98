/**
 * The buckets of one policy, in columns: a key costs two numbers and two references beside its entry in the index, and a
 * decision allocates nothing. A bucket holds its debt, which is what was spent and has not returned, so that a missing
 * bucket is a full one. Time never goes back here.
 */
import type { Quota } from './quota.js';
import { WindowColumns } from './window-columns.js';
import { moveOn, setOwed, type WindowState } from './windows.js';

const INITIAL_SLOTS = 1024;
/** Buckets looked at for each new key: enough to drop refilled ones faster than new keys arrive. */
const LOOKED_AT = 8;
/** Every so many decisions look at further buckets, so that the buckets of an attack are dropped even without new keys. */
const DECISIONS_PER_STEP = 64;

const SHORTEST_SLICE = 13; // V8 copies shorter substrings anyway

/** A copy: a key cut out of a header would keep the whole header in memory for as long as the bucket. */
function detached(key: string): string {
  return key.length < SHORTEST_SLICE ? key : (JSON.parse(JSON.stringify(key)) as string);
}

/** Units of one quota as those of another: rounded, so that debts stay whole numbers. */
function converted(units: number, from: Quota, to: Quota): number {
  return Math.round((units / from.unitsPerToken) * to.unitsPerToken);
}

export class BucketTable {
  readonly #maxKeys: number;
  readonly #index = new Map<string, number>();
  #keys: string[] = [];
  #quotas: Quota[] = [];
  #debts = new Float64Array(INITIAL_SLOTS);
  #times = new Float64Array(INITIAL_SLOTS);
  /** Created when the first quota with windows comes. */
  #windows: WindowColumns | undefined;
  readonly #state: WindowState = { debt: 0, previous: 0, time: 0, window: 0 };
  #hand = 0;
  #untilStep = DECISIONS_PER_STEP;
  #evictions = 0;

  readonly #onFirstEviction: () => void;

  constructor(maxKeys: number, onFirstEviction: () => void) {
    this.#maxKeys = maxKeys;
    this.#onFirstEviction = onFirstEviction;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Buckets evicted although they were not full. */
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

  /** Debt of a bucket now, under `quota`. A missing bucket is not created, and the limit in force stays. */
  peek(key: string, quota: Quota, now: number): number {
    const slot = this.#index.get(key);
    if (slot === undefined) return 0;
    const inForce = this.#quotas[slot]!;
    if (inForce === quota) return this.#owed(slot, quota, now);
    const before = { ...this.state(slot) };
    this.#convert(slot, inForce, quota, now);
    const debt = this.#debts[slot]!;
    this.#quotas[slot] = inForce;
    this.#setState(slot, before);
    return debt;
  }

  debt(slot: number): number {
    return this.#debts[slot]!;
  }

  /** The bucket with its window. Valid until the next call of any method. */
  state(slot: number): WindowState {
    const state = this.#state;
    state.debt = this.#debts[slot]!;
    state.time = this.#times[slot]!;
    state.previous = this.#windows === undefined ? 0 : this.#windows.previous[slot]!;
    state.window = this.#windows === undefined ? 0 : this.#windows.window[slot]!;
    return state;
  }

  /** Charges: the debt grows. */
  setDebt(slot: number, debt: number): void {
    this.#debts[slot] = debt;
  }

  /** Sets a debt that may be less than before. */
  setOwed(slot: number, debt: number): void {
    if (this.#windows === undefined) return this.setDebt(slot, debt);
    const state = this.state(slot);
    setOwed(state, debt);
    this.#setState(slot, state);
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
    const old = this.#quotas[slot]!;
    if (old === quota) this.#refill(slot, quota, now);
    else this.#convert(slot, old, quota, now);
  }

  #refill(slot: number, quota: Quota, now: number): void {
    if (quota.window !== 0) return this.#advance(slot, quota, 0, now);
    const debt = this.#debts[slot]!;
    if (debt > 0) {
      const left = debt - (now - this.#times[slot]!) * quota.unitsPerMicrosecond;
      this.#debts[slot] = left > 0 ? left : 0;
    }
    this.#times[slot] = now;
  }

  /** The debt of a bucket now. A bucket with windows stays unchanged: its next use decides which window is in force. */
  #owed(slot: number, quota: Quota, now: number): number {
    if (quota.window === 0) {
      this.#refill(slot, quota, now);
      return this.#debts[slot]!;
    }
    const state = this.state(slot);
    moveOn(state, quota, 0, now);
    return state.debt;
  }

  /** @param rate units that return each microsecond where no window is in force */
  #advance(slot: number, quota: Quota, rate: number, now: number): void {
    const state = this.state(slot);
    moveOn(state, quota, rate, now);
    this.#windows ??= new WindowColumns(this.#debts.length);
    this.#setState(slot, state);
  }

  #setState(slot: number, state: WindowState): void {
    this.#debts[slot] = state.debt;
    this.#times[slot] = state.time;
    this.#windows?.set(slot, state);
  }

  /**
   * The limit changed: what is spent stays spent, in the new quota's units, also where that is more than the new
   * capacity. Cut to it, one request under a small limit would forgive what was spent under a large one.
   */
  #convert(slot: number, old: Quota, quota: Quota, now: number): void {
    if (old.window === 0 && quota.window === 0) this.#refill(slot, old, now);
    else this.#advance(slot, quota, old.unitsPerMicrosecond, now);
    if (old.unitsPerToken !== quota.unitsPerToken) {
      this.#debts[slot] = converted(this.#debts[slot]!, old, quota);
      this.#windows?.convert(slot, (units) => converted(units, old, quota));
    }
    this.#quotas[slot] = quota;
  }

  #add(key: string, quota: Quota, now: number): number {
    const nearestToFull = this.#dropRefilled(now);
    if (this.#keys.length >= this.#maxKeys) {
      if (++this.#evictions === 1) this.#onFirstEviction();
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
    if (quota.window !== 0) this.#windows ??= new WindowColumns(this.#debts.length);
    this.#windows?.begin(slot, quota);
    return slot;
  }

  /**
   * Moves the hand over the next buckets and drops those that have refilled, because they hold no information. Returns the
   * bucket nearest to full among the others, which is evicted if the table is full: a client that rotates keys thus evicts
   * buckets that owe little, never one that is being limited.
   */
  #dropRefilled(now: number): number {
    let nearestToFull = 0;
    let least = Infinity;
    for (let looked = 0; looked < LOOKED_AT && this.#keys.length > 0; looked++) {
      if (this.#hand >= this.#keys.length) this.#hand = 0;
      const slot = this.#hand;
      const quota = this.#quotas[slot]!;
      const owed = this.#owed(slot, quota, now) / quota.unitsPerToken;
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
      this.#windows?.move(last, slot);
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
    this.#windows?.resize(grow);
  }
}
