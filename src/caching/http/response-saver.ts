/** Storing responses so that an invalidation during the load wins, also for responses that vary. */
import { randomBytes } from 'node:crypto';
import type { Claim, StoreOptions } from '../layer-stack.js';
import type { Fields } from './fields.js';
import type { ResponseStore } from './response-store.js';
import type { StoredResponse, VariantIndex } from './stored-response.js';
import { keyOfVariant, type Lookup } from './variants.js';

/** Milliseconds after which another process may fetch what this one set out to, should it have died. */
const CLAIM_DURATION = 30_000;

/** A stale response is kept this long at the least: to be validated, or for a request that accepts it. */
const KEEP_STALE = 10 * 60_000;

/** An index outlives the variants it finds. */
const INDEX_OPTIONS: StoreOptions = { ttl: 7 * 24 * 60 * 60_000 };

/** Different sets of fields that responses of one resource vary on; those seen last are kept. */
const MOST_SETS = 4;

/** A fetch that may end in storing. */
export interface Load {
  readonly key: string;
  readonly lookup: Lookup;
  /** The right to store under the lookup's lock key. Undefined: the load stores only where nothing was invalidated meanwhile. */
  readonly claim: Claim | undefined;
  /** How often anything had been invalidated when it began. */
  readonly epoch: number;
}

export class ResponseSaver {
  readonly #store: ResponseStore;
  #epoch = 0;

  constructor(store: ResponseStore) {
    this.#store = store;
  }

  /** Tells loads under way, those without a claim, that something was invalidated. */
  invalidated(): void {
    this.#epoch++;
  }

  /** Claims a key, waiting at most `patience` ms for another process; undefined where that process made the value meanwhile. */
  async claim(key: string, patience: number): Promise<Claim | undefined> {
    const claim = await this.#store.claim(key, { duration: CLAIM_DURATION, patience });
    return 'commit' in claim ? claim : undefined;
  }

  begin(key: string, lookup: Lookup, claim: Claim | undefined): Load {
    return { key, lookup, claim, epoch: this.#epoch };
  }

  /** Ends a load that brought nothing. */
  async abandon({ claim }: Load): Promise<void> {
    await claim?.release();
  }

  /**
   * Stores what a load brought.
   *
   * @param names the request fields it varies on, sorted
   * @returns false where it was not stored, because of an invalidation meanwhile
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
    if (load.epoch !== this.#epoch) {
      await claim?.release();
      return false;
    }
    if (index === undefined && names.length > 0) {
      return this.#saveFirstVariant(key, claim, response, options, names, request);
    }
    await claim?.release();
    return this.#saveUnclaimed(load, response, options, names, request);
  }

  /** The first response of a resource that varies: an index takes the place of whatever the key held. */
  async #saveFirstVariant(
    key: string,
    claim: Claim | undefined,
    response: StoredResponse,
    options: StoreOptions,
    names: readonly string[],
    request: Fields,
  ): Promise<boolean> {
    const index: VariantIndex = {
      kind: 'variants',
      generation: randomBytes(9).toString('base64url'),
      varies: [names],
    };
    // Without its index nobody finds the variant: the claim on the index decides for both.
    await this.#store.set(keyOfVariant(key, index, names, request), response, options);
    return this.#commitIndex(key, claim, index);
  }

  async #commitIndex(key: string, claim: Claim | undefined, index: VariantIndex): Promise<boolean> {
    const own = claim ?? (await this.claim(key, 0));
    return own?.commit(index, INDEX_OPTIONS) ?? false;
  }

  /** A load that no claim covers: of a request that did not wait for others, or whose answer varies on other fields than the last. */
  async #saveUnclaimed(
    { key, lookup: { index }, epoch }: Load,
    response: StoredResponse,
    options: StoreOptions,
    names: readonly string[],
    request: Fields,
  ): Promise<boolean> {
    const isKnown = index?.varies.some((known) => sameNames(known, names)) === true;
    const claim = await this.claim(index !== undefined && isKnown ? keyOfVariant(key, index, names, request) : key, 0);
    if (claim === undefined) return false;
    if (epoch !== this.#epoch) {
      await claim.release();
      return false;
    }
    if (isKnown || names.length === 0 || index === undefined) return claim.commit(response, options);
    const wider: VariantIndex = { ...index, varies: [names, ...index.varies].slice(0, MOST_SETS) };
    await this.#store.set(keyOfVariant(key, wider, names, request), response, options);
    return claim.commit(wider, INDEX_OPTIONS);
  }
}

/** In the store an entry's ttl is the freshness left; its grace, how long it is of use once stale. */
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
