/**
 * The layers as one: memory above, what is slower and wider below. Reads go down and bring what they find up, writes and
 * invalidations go to all, and a claim carries the leases of all of them.
 */
import { sleep, type Clock } from '../shared/clock.js';
import type { Awaitable, CacheEntry, Lease, TagInvalidation } from './cache-layer.js';
import type { GuardedLayer } from './guarded-layer.js';
import { HottestKeys } from './hottest-keys.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';

/** How a value is to be kept. */
export interface StoreOptions {
  /** Milliseconds the value stays fresh. Default: each layer's own. */
  readonly ttl?: number;
  /** Milliseconds beyond that it may be served while a new one is made, or when making one fails. Default 0. */
  readonly grace?: number;
  /** Names under which `invalidateTag` finds it. */
  readonly tags?: readonly string[];
}

/** The sole right, as far as the layers reach, to make the value of a key. */
export interface Claim {
  /**
   * Stores the value, unless the key was written or invalidated since the claim was made. Ends the claim.
   *
   * @returns whether the value was stored
   */
  commit(value: unknown, options?: StoreOptions): Promise<boolean>;
  /** Ends the claim without a value. After a commit it does nothing. */
  release(): Promise<void>;
}

/** What the stack counts. */
export interface StackCounters {
  /** Fresh values found, by layer. */
  readonly hits: Record<string, number>;
  misses: number;
  writes: number;
  promotions: number;
}

const NO_TAGS: readonly string[] = [];
/** Milliseconds between looks at a value that another process makes: from the first to the last. */
const FIRST_POLL = 2;
const LAST_POLL = 50;

export class LayerStack {
  readonly memory: MemoryCacheLayer;
  /** From the nearest to the widest. */
  readonly lower: readonly GuardedLayer[];
  readonly counters: StackCounters = { hits: { memory: 0 }, misses: 0, writes: 0, promotions: 0 };
  readonly hottest = new HottestKeys();
  readonly #clock: Clock;
  /** Lookups until one is counted among the hottest. */
  #untilSample = 1;
  /** Invalidations on their way through the layers below. */
  #forgetting = 0;

  /** @param clock for waiting only */
  constructor(memory: MemoryCacheLayer, lower: readonly GuardedLayer[], clock: Clock) {
    this.memory = memory;
    this.lower = lower;
    this.#clock = clock;
    for (const layer of lower) this.counters.hits[layer.name] = 0;
  }

  /** The fresh value in memory. Plain code: this is the path of most requests. */
  peek(key: string): unknown {
    const value = this.memory.peek(key);
    if (value === undefined) return undefined;
    this.counters.hits.memory!++;
    if (--this.#untilSample === 0) this.#untilSample = this.hottest.found(key, this.memory.tagsOf(key));
    return value;
  }

  /** The nearest fresh entry, brought into memory; else the nearest stale one within its grace. Counts a hit or a miss. */
  async find(key: string): Promise<CacheEntry | undefined> {
    const nearest = this.memory.read(key);
    if (nearest !== undefined && nearest.ttl > 0) {
      this.counters.hits.memory!++;
      return this.#noted(key, nearest);
    }
    let stale = nearest;
    for (const layer of this.lower) {
      const entry = await this.#readThrough(layer, key);
      if (entry !== undefined && entry.ttl > 0) {
        this.counters.hits[layer.name]!++;
        return this.#noted(key, entry);
      }
      stale ??= entry;
    }
    this.counters.misses++;
    return this.#noted(key, stale);
  }

  async has(key: string): Promise<boolean> {
    if (this.memory.has(key)) return true;
    for (const layer of this.lower) if (await layer.has(key)) return true;
    return false;
  }

  /** Writes to the layers named; the others lose the key, so that none of them brings an older value back. */
  async set(key: string, value: unknown, options: StoreOptions, names: readonly string[] | undefined): Promise<void> {
    this.counters.writes++;
    const isNamed = (name: string): boolean => names === undefined || names.includes(name);
    if (isNamed('memory')) this.memory.write(key, entryOf(value, options, this.memory.defaultTTL));
    else this.memory.delete(key);
    await this.#inAllBelow((layer) =>
      isNamed(layer.name) ? layer.write(key, entryOf(value, options, layer.defaultTTL)) : layer.delete(key),
    );
  }

  /** Removes the key everywhere; whether any layer held it. */
  async delete(key: string): Promise<boolean> {
    const above = this.memory.delete(key);
    const below = await this.#forgetBelow((layer) => layer.delete(key));
    return above || below.includes(true);
  }

  /** Removes what matches everywhere; which keys some layer held. */
  async invalidatePattern(pattern: string): Promise<Set<string>> {
    const removed = new Set(this.memory.invalidatePattern(pattern));
    const below = await this.#forgetBelow((layer) => layer.invalidatePattern(pattern));
    for (const keys of below) for (const key of keys) removed.add(key);
    return removed;
  }

  async invalidateTag(tag: string, options: TagInvalidation): Promise<void> {
    this.memory.invalidateTag(tag, options);
    await this.#forgetBelow((layer) => layer.invalidateTag(tag, options));
  }

  async clear(): Promise<void> {
    this.memory.clear();
    await this.#forgetBelow((layer) => layer.clear());
  }

  /**
   * Claims the making of a value. Where another process is at it, waits until its value is there, which is then the
   * answer, or until it has given up; after `patience` goes on without the layer that both share.
   *
   * @param duration milliseconds the claim lasts at most
   */
  async claim(key: string, duration: number, patience: number, signal?: AbortSignal): Promise<Claim | CacheEntry> {
    const own = this.memory.lease(key);
    const leases = new Map<GuardedLayer, Lease>();
    try {
      for (const layer of this.lower.filter((one) => one.isShared).reverse()) {
        const answer = await this.#leaseOf(layer, key, duration, patience, signal);
        if (answer.found !== undefined) {
          await this.#release(own, leases);
          return answer.found;
        }
        if (answer.lease !== undefined) leases.set(layer, answer.lease);
      }
    } catch (error) {
      await this.#release(own, leases);
      throw error;
    }
    return new StackClaim(
      (value, options) => this.#commit(own, leases, value, options),
      () => this.#release(own, leases),
    );
  }

  /** What was found, counted among what is asked for most. */
  #noted(key: string, entry: CacheEntry | undefined): CacheEntry | undefined {
    if (--this.#untilSample > 0) return entry;
    const isFresh = entry !== undefined && entry.ttl > 0;
    this.#untilSample = isFresh ? this.hottest.found(key, entry.tags) : this.hottest.missed(key);
    return entry;
  }

  /** Begins in all at once; those that answer at once have answered when this returns. */
  #inAllBelow<T>(work: (layer: GuardedLayer) => Awaitable<T>): Promise<T[]> {
    return Promise.all(this.lower.map(async (layer) => work(layer)));
  }

  /** As `#inAllBelow`, for invalidations: until all are done, nothing is brought up, for it may be what is to go. */
  async #forgetBelow<T>(work: (layer: GuardedLayer) => Awaitable<T>): Promise<T[]> {
    this.#forgetting++;
    try {
      return await this.#inAllBelow(work);
    } finally {
      this.#forgetting--;
    }
  }

  async #readThrough(layer: GuardedLayer, key: string): Promise<CacheEntry | undefined> {
    const mayKeep = this.#forgetting === 0;
    const lease = this.memory.lease(key); // an invalidation while the layer answers keeps the answer out of memory
    const read = layer.read(key);
    const entry = read instanceof Promise ? await read : read;
    const isKept = mayKeep && entry !== undefined && entry.ttl > 0 && this.memory.write(key, entry, lease);
    if (isKept) this.counters.promotions++;
    else this.memory.release(lease);
    return entry;
  }

  /** The lease, or the fresh entry that made it needless, or neither where the layer does not take part. */
  async #leaseOf(
    layer: GuardedLayer,
    key: string,
    duration: number,
    patience: number,
    signal: AbortSignal | undefined,
  ): Promise<{ lease?: Lease; found?: CacheEntry }> {
    for (let waited = 0, pause = FIRST_POLL; ; waited += pause, pause = Math.min(LAST_POLL, 1.5 * pause)) {
      const answer = await layer.lease(key, duration);
      if (answer === 'unavailable') return {};
      // Also under a lease of its own: the value may have come between the look that missed it and the lease.
      const entry = await this.#readThrough(layer, key);
      if (entry !== undefined && entry.ttl > 0) {
        if (answer !== 'taken') await layer.release(answer);
        return { found: entry };
      }
      if (answer !== 'taken') return { lease: answer };
      if (waited >= patience) return {};
      await sleep(this.#clock, pause, signal, true); // somebody awaits the value
    }
  }

  /** The wider layers decide: where one refuses, the key has changed for everybody, and memory must not keep the value. */
  async #commit(own: Lease, leases: Map<GuardedLayer, Lease>, value: unknown, options: StoreOptions): Promise<boolean> {
    this.counters.writes++;
    let isCurrent = true;
    for (const [layer, lease] of leases) {
      if (!isCurrent) await layer.release(lease);
      else isCurrent = await layer.write(own.key, entryOf(value, options, layer.defaultTTL), lease);
    }
    if (isCurrent) return this.memory.write(own.key, entryOf(value, options, this.memory.defaultTTL), own);
    this.memory.release(own);
    return false;
  }

  async #release(own: Lease, leases: Map<GuardedLayer, Lease>): Promise<void> {
    this.memory.release(own);
    for (const [layer, lease] of leases) await layer.release(lease);
  }
}

/** Ends once: what comes after a commit or a release does nothing. */
class StackClaim implements Claim {
  readonly #store: (value: unknown, options: StoreOptions) => Promise<boolean>;
  readonly #giveUp: () => Promise<void>;
  #hasEnded = false;

  constructor(store: (value: unknown, options: StoreOptions) => Promise<boolean>, giveUp: () => Promise<void>) {
    this.#store = store;
    this.#giveUp = giveUp;
  }

  async commit(value: unknown, options: StoreOptions = {}): Promise<boolean> {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    return this.#store(value, options);
  }

  async release(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    await this.#giveUp();
  }
}

function entryOf(value: unknown, { ttl, grace = 0, tags = NO_TAGS }: StoreOptions, defaultTTL: number): CacheEntry {
  return { value, ttl: ttl ?? defaultTTL, grace, tags };
}
