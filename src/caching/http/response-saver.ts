/** Stores responses so that an invalidation during the load takes precedence, also for responses that vary. */
import type { StoreOptions } from '../claim.js';
import type { Fence } from './fence.js';
import type { Fields } from './fields.js';
import type { ResponseStore, StoreClaim } from './response-store.js';
import type { StoredResponse, VariantIndex } from './stored-response.js';
import { INDEX_OPTIONS, keyOfVariant, newIndex, type Lookup } from './variants.js';

/** Milliseconds after which another process may fetch the same response, in case this one died. */
const CLAIM_DURATION = 30_000;

/** The shortest time a stale response is kept: to be validated, or for a request that accepts it. */
const KEEP_STALE = 10 * 60_000;

/** The most sets of fields that responses of one resource vary on. The most recent sets are kept. */
const MOST_SETS = 4;

/** A fetch that may end in storing. A class, because it lives as long as its request: see `Exchange`. */
export class Load {
  readonly key: string;
  /** The key of the resource, the same for all clients: the name that an invalidation uses. */
  readonly baseKey: string;
  readonly lookup: Lookup;
  /**
   * The right to store under the lookup's lock key. Undefined: the response is stored only if nothing was invalidated
   * meanwhile.
   */
  readonly claim: StoreClaim | undefined;
  /** The state of the fence when it began. */
  readonly began: number;

  constructor(key: string, baseKey: string, lookup: Lookup, claim: StoreClaim | undefined, began: number) {
    this.key = key;
    this.baseKey = baseKey;
    this.lookup = lookup;
    this.claim = claim;
    this.began = began;
  }
}

export class ResponseSaver {
  readonly #store: ResponseStore;
  readonly #fence: Fence;

  constructor(store: ResponseStore, fence: Fence) {
    this.#store = store;
    this.#fence = fence;
  }

  /**
   * Claims a key, waiting at most `patience` ms for another process; undefined if that process has stored the value.
   */
  async claim(key: string, patience: number): Promise<StoreClaim | undefined> {
    const claim = await this.#store.claim(key, { duration: CLAIM_DURATION, patience });
    return 'commit' in claim ? claim : undefined;
  }

  begin({ key, baseKey }: Pick<Load, 'key' | 'baseKey'>, lookup: Lookup, claim: StoreClaim | undefined): Load {
    return new Load(key, baseKey, lookup, claim, this.#fence.now);
  }

  /** Whether nothing of this name, or of these tags, was invalidated since. */
  isCurrent({ baseKey, began }: Pick<Load, 'baseKey' | 'began'>, tags: readonly string[]): boolean {
    return this.#fence.isOpen(baseKey, tags, began);
  }

  /** Ends a load that brought nothing. Undefined if nothing has to be released. */
  abandon({ claim }: Load): Promise<void> | undefined {
    return claim?.release();
  }

  /**
   * Stores the result of a load.
   *
   * @param names the request fields it varies on, sorted
   * @returns false if it was not stored, because of an invalidation in the meantime
   */
  async save(
    load: Load,
    response: StoredResponse,
    names: readonly string[],
    request: Fields,
    tags: readonly string[],
  ): Promise<boolean> {
    const { key, lookup, claim } = load;
    const { index, lockKey } = lookup;
    const options = storeOptions(response, tags);
    const isClaimed = index === undefined ? names.length === 0 : lockKey === keyOfVariant(key, index, names, request);
    if (claim !== undefined && isClaimed) return claim.commit(response, options);
    if (!this.#fence.isOpen(load.baseKey, tags, load.began)) {
      await claim?.release();
      return false;
    }
    if (index === undefined && names.length > 0) {
      return this.#saveFirstVariant(key, claim, response, options, names, request);
    }
    await claim?.release();
    return this.#saveUnclaimed(load, response, options, names, request);
  }

  /** The first response of a resource that varies: an index replaces the value under the key. */
  async #saveFirstVariant(
    key: string,
    claim: StoreClaim | undefined,
    response: StoredResponse,
    options: StoreOptions,
    names: readonly string[],
    request: Fields,
  ): Promise<boolean> {
    const index = newIndex([names]);
    // No request finds the variant without its index, so the claim on the index decides for both.
    await this.#store.set(keyOfVariant(key, index, names, request), response, options);
    return this.#commitIndex(key, claim, index);
  }

  async #commitIndex(key: string, claim: StoreClaim | undefined, index: VariantIndex): Promise<boolean> {
    const own = claim ?? (await this.claim(key, 0));
    return own?.commit(index, INDEX_OPTIONS) ?? false;
  }

  /**
   * A load without a claim: of a request that did not wait for others, or with a response that varies on other fields
   * than the last one.
   */
  async #saveUnclaimed(
    { key, baseKey, lookup: { index }, began }: Load,
    response: StoredResponse,
    options: StoreOptions,
    names: readonly string[],
    request: Fields,
  ): Promise<boolean> {
    const isKnown = index?.varies.some((known) => sameNames(known, names)) === true;
    const claim = await this.claim(index !== undefined && isKnown ? keyOfVariant(key, index, names, request) : key, 0);
    if (claim === undefined) return false;
    if (!this.#fence.isOpen(baseKey, options.tags ?? [], began)) {
      await claim.release();
      return false;
    }
    if (isKnown || names.length === 0 || index === undefined) return claim.commit(response, options);
    const wider: VariantIndex = { ...index, varies: [names, ...index.varies].slice(0, MOST_SETS) };
    await this.#store.set(keyOfVariant(key, wider, names, request), response, options);
    return claim.commit(wider, INDEX_OPTIONS);
  }
}

/**
 * In the store, the ttl of an entry is its remaining freshness, and its grace is the time for which it is useful once
 * stale.
 */
function storeOptions(response: StoredResponse, tags: readonly string[]): StoreOptions {
  const { policy, lifetime, initialAge } = response;
  return {
    ttl: policy.noCache ? 0 : Math.max(0, lifetime - initialAge),
    grace: Math.max(KEEP_STALE, policy.staleWhileRevalidate, policy.staleIfError),
    tags,
  };
}

const sameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
