/** What a 304 or a HEAD response changes in what is stored (RFC 9111 §3.2, §4.3.4, §4.3.5). */
import { weakMatch } from './conditional.js';
import { fieldsOf, type Fields, type FlatFields } from './fields.js';
import type { StoredResponse } from './stored-response.js';

/** They describe the stored bytes, which did not change (§3.2). */
const OF_THE_BODY = new Set(['content-length', 'content-encoding', 'content-range', 'transfer-encoding', 'trailer']);

/** The stored fields with those of a newer response in the place of theirs; several lines of a name are replaced together. */
export function updateFields(stored: FlatFields, newer: FlatFields): string[] {
  const replaced = new Set<string>();
  const added: string[] = [];
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

/**
 * Whether a 200 to HEAD describes the stored response (§4.3.5): no validator and no length that differs. One that does
 * not makes the stored response stale at the least; this cache drops it.
 */
export function headDescribes(head: Fields, stored: StoredResponse): boolean {
  const fields = fieldsOf(stored.headers);
  const length = head['content-length'];
  if (length !== undefined && Number(length) !== (stored.part?.size ?? stored.body.length)) return false;
  if (head.etag !== undefined && (stored.etag === undefined || !weakMatch(head.etag, stored.etag))) return false;
  if (head['content-encoding'] !== fields['content-encoding']) return false;
  return head['last-modified'] === undefined || head['last-modified'] === stored.lastModified;
}
