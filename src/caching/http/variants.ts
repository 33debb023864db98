/**
 * Finds the stored response for a request among the facets of its resource and the variants of its key (RFC 9111 §4,
 * §4.1).
 */
import { randomBytes } from 'node:crypto';
import { facetIndexKey, facetKey, type Resource } from './request-key.js';
import type { ResponseStore } from './response-store.js';
import type { StoreOptions } from '../claim.js';
import type { Fields } from './fields.js';
import type { StoredRecord, StoredResponse, VariantIndex } from './stored-response.js';
import { variantKey } from './vary.js';

/** The result of looking up a request in the store. */
export interface Lookup {
  readonly found: Found | undefined;
  /** The index of the variants, if responses vary. */
  readonly index: VariantIndex | undefined;
  /**
   * The key that concurrent requests for the same response share: the variant's key if it is known, else the
   * resource's.
   */
  readonly lockKey: string;
}

/** A lookup that found nothing under the key. A class, because it lives as long as its request: see `Exchange`. */
export class NothingFound implements Lookup {
  readonly found = undefined;
  readonly index = undefined;
  readonly lockKey: string;

  constructor(lockKey: string) {
    this.lockKey = lockKey;
  }
}

export interface Found {
  readonly stored: StoredResponse;
  /** The key of this response in the store. */
  readonly key: string;
  /**
   * Milliseconds of freshness left according to the store. 0 means a soft purge if the response itself is still fresh.
   */
  readonly ttl: number;
}

/** Where a variant is stored. The generation belongs to the index, so that no variant can be found after it. */
export function keyOfVariant(key: string, index: VariantIndex, names: readonly string[], request: Fields): string {
  return `${key}\n${index.generation} ${variantKey(names, request)}`;
}

/** A value of the store as a record of this module. A value that other code wrote under the key counts as absent. */
function asRecord(value: unknown): StoredRecord | undefined {
  const record = value as StoredRecord | null | undefined;
  return record?.kind === 'response' || record?.kind === 'variants' ? record : undefined;
}

function asResponse(value: unknown): StoredResponse | undefined {
  const record = asRecord(value);
  return record?.kind === 'response' ? record : undefined;
}

/** An index is kept longer than the responses it finds. */
export const INDEX_OPTIONS: StoreOptions = { ttl: 7 * 24 * 60 * 60_000 };

export function newIndex(varies: VariantIndex['varies']): VariantIndex {
  return { kind: 'variants', generation: randomBytes(9).toString('base64url'), varies };
}

/** The key of the copies of a resource with its facet; undefined if only `readFacetKey` can determine it. */
export function peekFacetKey(store: ResponseStore, baseKey: string, { facet }: Resource): string | undefined {
  const index = asRecord(store.peek(facetIndexKey(baseKey)));
  return index?.kind === 'variants' ? facetKey(baseKey, index.generation, facet) : undefined;
}

/**
 * The same from any layer. The first request makes the index before it goes to the origin. An invalidation in the
 * meantime removes the index, and the response is then stored under a key that is never read.
 */
export async function readFacetKey(store: ResponseStore, baseKey: string, { facet }: Resource): Promise<string> {
  const at = facetIndexKey(baseKey);
  const known = asRecord((await store.read(at))?.value);
  if (known?.kind === 'variants') return facetKey(baseKey, known.generation, facet);
  const index = newIndex([]);
  await store.set(at, index, INDEX_OPTIONS);
  return facetKey(baseKey, index.generation, facet);
}

/**
 * The fresh response in the memory of this process; undefined if only `readStored` can determine it. It allocates
 * nothing for a resource that does not vary.
 */
export function peekStored(store: ResponseStore, key: string, request: Fields): StoredResponse | undefined {
  const record = asRecord(store.peek(key));
  if (record === undefined || record.kind === 'response') return record;
  let newest: StoredResponse | undefined;
  for (const names of record.varies) {
    const variant = asResponse(store.peek(keyOfVariant(key, record, names, request)));
    // With several sets of fields, another layer may hold a newer response.
    if (variant === undefined && record.varies.length > 1) return undefined;
    if (newest === undefined || (variant !== undefined && variant.date > newest.date)) newest = variant;
  }
  return newest;
}

/**
 * The stored response for the request from any layer, stale or fresh; of several that match, the newest by `Date` (§4).
 */
export async function readStored(store: ResponseStore, key: string, request: Fields): Promise<Lookup> {
  const entry = await store.read(key);
  const record = asRecord(entry?.value);
  if (entry === undefined || record === undefined) return new NothingFound(key);
  if (record.kind === 'response')
    return { found: { stored: record, key, ttl: entry.ttl }, index: undefined, lockKey: key };
  let newest: Found | undefined;
  for (const names of record.varies) {
    const ownKey = keyOfVariant(key, record, names, request);
    const variant = await store.read(ownKey);
    const stored = asResponse(variant?.value);
    if (variant === undefined || stored === undefined) continue;
    if (newest === undefined || stored.date > newest.stored.date) newest = { stored, key: ownKey, ttl: variant.ttl };
  }
  const lockKey = newest?.key ?? keyOfVariant(key, record, record.varies[0] ?? [], request);
  return { found: newest, index: record, lockKey };
}
