/** Finding the stored response for a request among the variants of its key (RFC 9111 §4, §4.1). */
import type { ResponseStore } from './response-store.js';
import type { Fields } from './fields.js';
import type { StoredRecord, StoredResponse, VariantIndex } from './stored-response.js';
import { variantKey } from './vary.js';

/** What is stored for a request. */
export interface Lookup {
  readonly found: Found | undefined;
  /** The variants' index, where responses vary. */
  readonly index: VariantIndex | undefined;
  /** What concurrent requests for the same thing share: the variant's key where it is known, else the resource's. */
  readonly lockKey: string;
}

export interface Found {
  readonly stored: StoredResponse;
  /** The store's key of this very response. */
  readonly key: string;
  /** Milliseconds of freshness the store says are left. 0 while the response itself has some left tells of a soft purge. */
  readonly ttl: number;
}

/** Where a variant is stored. The generation belongs to the index, so that no variant outlives it in effect. */
export function keyOfVariant(key: string, index: VariantIndex, names: readonly string[], request: Fields): string {
  return `${key}\n${index.generation} ${variantKey(names, request)}`;
}

/** A value of the store as a record of this module; what someone else wrote under the key counts as absent. */
function asRecord(value: unknown): StoredRecord | undefined {
  const record = value as StoredRecord | null | undefined;
  return record?.kind === 'response' || record?.kind === 'variants' ? record : undefined;
}

function asResponse(value: unknown): StoredResponse | undefined {
  const record = asRecord(value);
  return record?.kind === 'response' ? record : undefined;
}

/** The fresh response in this process' memory, or undefined where only `readStored` can tell. Allocates nothing where nothing varies. */
export function peekStored(store: ResponseStore, key: string, request: Fields): StoredResponse | undefined {
  const record = asRecord(store.peek(key));
  if (record === undefined || record.kind === 'response') return record;
  let newest: StoredResponse | undefined;
  for (const names of record.varies) {
    const variant = asResponse(store.peek(keyOfVariant(key, record, names, request)));
    // With several sets of fields, one not in memory may be the newer elsewhere.
    if (variant === undefined && record.varies.length > 1) return undefined;
    if (newest === undefined || (variant !== undefined && variant.date > newest.date)) newest = variant;
  }
  return newest;
}

/** What is stored for the request in any layer, stale or fresh; of several that match the newest by `Date` (§4). */
export async function readStored(store: ResponseStore, key: string, request: Fields): Promise<Lookup> {
  const entry = await store.read(key);
  const record = asRecord(entry?.value);
  if (entry === undefined || record === undefined) return { found: undefined, index: undefined, lockKey: key };
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
