/** The approximate size of a value in bytes: exact enough to bound a cache, cheap enough to compute at every write. */

const POINTER = 8;
const OBJECT = 32;
/** Beyond this many parts the rest is estimated from the average so far. */
const MAX_PARTS = 10_000;

/** An estimate in bytes: exact for buffers, close for strings, a bounded walk for everything else. */
export function estimateSize(value: unknown): number {
  const seen = new Set<object>();
  const pending: unknown[] = [value];
  let bytes = 0;
  for (let parts = 1; pending.length > 0; parts++) {
    bytes += sizeOfOne(pending.pop(), seen, pending);
    if (parts === MAX_PARTS) return bytes + Math.ceil((bytes / parts) * pending.length);
  }
  return bytes;
}

/** The size of one value without its parts, which it leaves in `pending`. */
function sizeOfOne(value: unknown, seen: Set<object>, pending: unknown[]): number {
  if (typeof value === 'string') return 2 * value.length + POINTER;
  if (typeof value !== 'object' || value === null) return POINTER;
  if (seen.has(value)) return POINTER;
  seen.add(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return OBJECT + value.byteLength;
  }
  if (value instanceof Map) {
    for (const [key, held] of value) pending.push(key, held);
    return OBJECT + 2 * POINTER * value.size;
  }
  if (Array.isArray(value) || value instanceof Set) {
    for (const held of value) pending.push(held);
    return OBJECT + POINTER * (value instanceof Set ? value.size : value.length);
  }
  const names = Object.keys(value);
  for (const name of names) pending.push((value as Record<string, unknown>)[name]);
  return OBJECT + 2 * POINTER * names.length;
}
