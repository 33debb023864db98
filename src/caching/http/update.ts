/** The changes that a 304 or a HEAD response makes to the stored response (RFC 9111 §3.2, §4.3.4, §4.3.5). */
import { weakMatch } from './conditional.js';
import { fieldNames, fieldsOf, type Fields, type FlatFields } from './fields.js';
import type { StoredResponse } from './stored-response.js';

/** Fields that describe the stored bytes, which did not change (§3.2). */
const OF_THE_BODY = new Set(['content-length', 'content-encoding', 'content-range', 'transfer-encoding', 'trailer']);

/**
 * Replaces stored fields by the fields of a newer response with the same names, all lines of a name together. `Vary`
 * never loses a name. Middleware that encodes the stored content often leaves its name out of a 304, and the encoded
 * content would then be sent to every client.
 */
export function updateFields(stored: FlatFields, newer: FlatFields): string[] {
  const varies = fieldNames(fieldsOf(newer).vary);
  const lost = fieldNames(fieldsOf(stored).vary).filter((name) => !varies.includes(name));
  const replaced = new Set<string>();
  const added: string[] = lost.length > 0 && varies.length > 0 ? ['Vary', lost.join(', ')] : [];
  for (let i = 0; i < newer.length; i += 2) {
    const name = newer[i]!.toLowerCase();
    if (OF_THE_BODY.has(name)) continue;
    replaced.add(name);
    added.push(newer[i]!, newer[i + 1]!);
  }
  const kept: string[] = [];
  for (let i = 0; i < stored.length; i += 2) {
    if (!replaced.has(stored[i]!.toLowerCase())) kept.push(stored[i]!, stored[i + 1]!);
  }
  return [...kept, ...added];
}

/** `Vary` of a stored response and of a newer head together. */
export function mergedVary(stored: Fields, newer: Fields): string | undefined {
  return stored.vary === undefined || newer.vary === undefined
    ? (stored.vary ?? newer.vary)
    : `${stored.vary}, ${newer.vary}`;
}

/**
 * Whether a 200 to HEAD describes the stored response (§4.3.5): no validator and no length may differ. If it does not,
 * the stored response becomes at least stale; this cache drops it.
 */
export function headDescribes(head: Fields, stored: StoredResponse): boolean {
  const fields = fieldsOf(stored.headers);
  const length = head['content-length'];
  if (length !== undefined && Number(length) !== (stored.part?.size ?? stored.body.length)) return false;
  if (head.etag !== undefined && (stored.etag === undefined || !weakMatch(head.etag, stored.etag))) return false;
  if (head['content-encoding'] !== fields['content-encoding']) return false;
  return head['last-modified'] === undefined || head['last-modified'] === stored.lastModified;
}
