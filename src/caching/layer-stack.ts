/**
 * All layers as one: memory above, slower and wider layers below. Reads go down and bring the found value up. Writes
 * and invalidations go to all layers, and a claim holds the leases of all of them.
 */
import { sleep, type Clock } from '../shared/clock.js';
import type { Awaitable, CacheEntry, Lease, LeaseAnswer, TagInvalidation } from './cache-layer.js';
import { StackClaim, type StoreOptions } from './claim.js';
import type { GuardedLayer } from './guarded-layer.js';
import { HottestKeys } from './hottest-keys.js';
import type { LazyAbort } from './lazy-abort.js';
import { isHeldAround, type LoadScope } from './load-scope.js';
import type { MemoryCacheLayer } from './memory-cache-layer.js';

/** How to claim the computation of a value. */
export interface ClaimTerms {
  /** Milliseconds after which the claim expires. */
  readonly duration: number;
  /** Milliseconds to wait for another holder. */
  readonly patience: number;
  readonly abort?: LazyAbort;
  /** An entry is returned only if it stays fresh for more milliseconds than this. Default 0. */
  readonly beyond?: number;
  /** The load that waits. */
  readonly waiter?: LoadScope;
}

/** The counters of the stack. */
export interface StackCounters {
  /** Fresh values found, by layer. */
  readonly hits: Record<string, number>;
  misses: number;
  writes: number;
  promotions: number;
}

const NO_TAGS: readonly string[] = [];
/** Milliseconds between checks for a value that another process makes: from the first to the last. */
const FIRST_POLL = 2;
const LAST_POLL = 50;

export class LayerStack {
  readonly memory: MemoryCacheLayer;
  /** From the nearest to the widest. */
  readonly lower: readonly GuardedLayer[];
  readonly counters: StackCounters = { hits: { memory: 0 }, misses: 0, writes: 0, promotions: 0 };
  readonly hottest = new HottestKeys();
  readonly #clock: Clock;
  /** The number of lookups until the next one is counted for the hottest keys. */
  #untilSample = 1;
  /** The tokens of the leases held: claims of one stack do not exclude each other. */
  readonly #tokens = new Set<string>();
  /** Invalidations in progress in the layers below. */
  #forgetting = 0;

  /** @param clock used for waiting only */
  constructor(memory: MemoryCacheLayer, lower: readonly GuardedLayer[], clock: Clock) {
    this.memory = memory;
    this.lower = lower;
    this.#clock = clock;
    for (const layer of lower) this.counters.hits[layer.name] = 0;
  }

  /** The fresh value in memory. Plain code, because most requests take this path. */
  peek(key: string): unknown {
    const value = this.memory.peek(key);
    if (value === undefined) return undefined;
    this.counters.hits.memory!++;
    if (--this.#untilSample === 0) this.#untilSample = this.hottest.found(key, this.memory.tagsOf(key));
    return value;
  }

  /**
   * The nearest fresh entry, brought into memory; otherwise the nearest stale one within its grace. Counts a hit or a
   * miss.
   */
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

  /** Writes to the named layers. The others remove the key, so that no layer restores an older value. */
  async set(key: string, value: unknown, options: StoreOptions, names: readonly string[] | undefined): Promise<void> {
    this.counters.writes++;
    const isNamed = (name: string): boolean => names === undefined || names.includes(name);
    if (isNamed('memory')) this.memory.write(key, entryOf(value, options, this.memory.defaultTTL));
    else this.memory.delete(key);
    await this.#inAllBelow((layer) =>
      isNamed(layer.name) ? layer.write(key, entryOf(value, options, layer.defaultTTL)) : layer.delete(key),
    );
  }

  /**
   * Removes the key from all layers. Returns whether any layer held it: without a promise where memory is the only one,
   * because every unsafe request of a client comes here.
   */
  delete(key: string): Awaitable<boolean> {
    const above = this.memory.delete(key);
    if (this.lower.length === 0) return above;
    return this.#forgetBelow((layer) => layer.delete(key)).then((below) => above || below.includes(true));
  }

  /** Removes the matching keys from all layers. Returns the keys that a layer held. */
  async invalidatePattern(pattern: string): Promise<Set<string>> {
    const above = this.memory.invalidatePatternInBackground(pattern);
    const below = await this.#forgetBelow((layer) => layer.invalidatePattern(pattern));
    const removed = new Set(await above);
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
   * Claims the computation of a value. If another process or another stack computes it, waits until its value is stored
   * and returns that, or until the other gives up. After `patience` milliseconds, continues without the layer that both
   * share. Within the work of the other it continues so at once, because the other waits for that work.
   */
  async claim(key: string, terms: ClaimTerms): Promise<StackClaim | CacheEntry> {
    const own = this.memory.lease(key);
    const leases = new Map<GuardedLayer, Lease>();
    try {
      for (const layer of this.lower.filter((one) => one.isShared).reverse()) {
        const answer = await this.#leaseOf(layer, key, terms);
        if (answer.found !== undefined) {
          await this.#release(own, leases);
          return answer.found;
        }
        if (answer.lease !== undefined) {
          leases.set(layer, answer.lease);
          this.#tokens.add(answer.lease.token);
        }
      }
    } catch (error) {
      await this.#release(own, leases);
      throw error;
    }
    return new StackClaim(
      Array.from(leases.values(), ({ token }) => token),
      (value, options) => this.#commit(own, leases, value, options),
      () => this.#release(own, leases),
    );
  }

  /** Returns the entry that was found, and samples it for the hottest keys. */
  #noted(key: string, entry: CacheEntry | undefined): CacheEntry | undefined {
    if (--this.#untilSample > 0) return entry;
    const isFresh = entry !== undefined && entry.ttl > 0;
    this.#untilSample = isFresh ? this.hottest.found(key, entry.tags) : this.hottest.missed(key);
    return entry;
  }

  /** Begins in all layers at once. Synchronous layers are done when this returns. */
  #inAllBelow<T>(work: (layer: GuardedLayer) => Awaitable<T>): Promise<T[]> {
    return Promise.all(this.lower.map(async (layer) => work(layer)));
  }

  /**
   * Like `#inAllBelow`, for invalidations. Until all are done, no value is brought up, because it may be an invalidated
   * one.
   */
  async #forgetBelow<T>(work: (layer: GuardedLayer) => Awaitable<T>): Promise<T[]> {
    this.#forgetting++;
    try {
      return await this.#inAllBelow(work);
    } finally {
      this.#forgetting--;
    }
  }

  async #readThrough(layer: GuardedLayer, key: string, beyond = 0): Promise<CacheEntry | undefined> {
    const mayKeep = this.#forgetting === 0;
    const lease = this.memory.lease(key); // an invalidation during the read keeps the result out of memory
    const read = layer.read(key);
    const entry = read instanceof Promise ? await read : read;
    const isKept = mayKeep && entry !== undefined && entry.ttl > beyond && this.memory.write(key, entry, lease);
    if (isKept) this.counters.promotions++;
    else this.memory.release(lease);
    return entry;
  }

  /**
   * The lease, or the fresh entry that makes it unnecessary, or neither if the layer is unavailable or the wait has
   * ended.
   */
  async #leaseOf(
    layer: GuardedLayer,
    key: string,
    { duration, patience, abort, beyond = 0, waiter }: ClaimTerms,
  ): Promise<{ lease?: Lease; found?: CacheEntry }> {
    for (let waited = 0, pause = FIRST_POLL; ; waited += pause, pause = Math.min(LAST_POLL, 1.5 * pause)) {
      const answer = await layer.lease(key, duration);
      if (answer === 'unavailable') return {};
      // Also under a new lease: the value may have been stored between the lookup that missed it and the lease.
      const entry = await this.#readThrough(layer, key, beyond);
      if (entry !== undefined && entry.ttl > beyond) {
        if (isLease(answer)) await layer.release(answer);
        return { found: entry };
      }
      if (isLease(answer)) return { lease: answer };
      if (waited >= patience || this.#isOwn(answer, waiter)) return {};
      await this.#pause(pause, abort?.signal, answer, waiter);
    }
  }

  /** Whether the holder is a claim of this stack, or waits for this call. */
  #isOwn(answer: Exclude<LeaseAnswer, Lease>, waiter: LoadScope | undefined): boolean {
    if (typeof answer === 'string') return answer === 'own';
    return this.#tokens.has(answer.holder) || isHeldAround(answer.holder, waiter);
  }

  async #pause(
    ms: number,
    signal: AbortSignal | undefined,
    answer: Exclude<LeaseAnswer, Lease>,
    waiter: LoadScope | undefined,
  ): Promise<void> {
    if (waiter !== undefined && typeof answer === 'object') waiter.wanted = answer.holder;
    try {
      await sleep(this.#clock, ms, signal, true); // a caller awaits the value
    } finally {
      if (waiter !== undefined) waiter.wanted = undefined;
    }
  }

  /**
   * The wider layers decide: if one refuses, the key has changed for all processes, and memory must not keep the value.
   */
  async #commit(own: Lease, leases: Map<GuardedLayer, Lease>, value: unknown, options: StoreOptions): Promise<boolean> {
    this.counters.writes++;
    let isCurrent = true;
    for (const [layer, lease] of leases) {
      this.#tokens.delete(lease.token);
      if (!isCurrent) await layer.release(lease);
      else isCurrent = await layer.write(own.key, entryOf(value, options, layer.defaultTTL), lease);
    }
    if (isCurrent) return this.memory.write(own.key, entryOf(value, options, this.memory.defaultTTL), own);
    this.memory.release(own);
    return false;
  }

  async #release(own: Lease, leases: Map<GuardedLayer, Lease>): Promise<void> {
    this.memory.release(own);
    for (const [layer, lease] of leases) {
      this.#tokens.delete(lease.token);
      await layer.release(lease);
    }
  }
}

function isLease(answer: LeaseAnswer): answer is Lease {
  return typeof answer === 'object' && 'token' in answer;
}

function entryOf(value: unknown, { ttl, grace = 0, tags = NO_TAGS }: StoreOptions, defaultTTL: number): CacheEntry {
  return { value, ttl: ttl ?? defaultTTL, grace, tags };
}
