/**
 * A Map for any number of keys that no single call rebuilds. A Map that doubles moves all its entries: with half a million
 * keys, V8 needs 39 ms for that (Node 24). Here a large map is spread over many small ones by a hash of the key.
 */

/** Keys from which on the map is spread. */
const SPREAD_SIZE = 4096;
/** A power of two. With 2^24 keys, the most that a layer holds, each map has 16,000. */
const PARTS = 1024;
/** Characters at the end of a key that count: keys of one kind differ there. */
const HASHED_LENGTH = 16;

export class SpreadMap<V> {
  #whole: Map<string, V> | undefined = new Map();
  #parts: Array<Map<string, V> | undefined> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#partOf(key)?.get(key);
  }

  set(key: string, value: V): void {
    const part = this.#whole ?? (this.#parts![hash(key)] ??= new Map<string, V>());
    const before = part.size;
    part.set(key, value);
    this.#size += part.size - before;
    if (this.#whole !== undefined && this.#size > SPREAD_SIZE) this.#spread(this.#whole);
  }

  delete(key: string): void {
    if (this.#partOf(key)?.delete(key) === true) this.#size--;
  }

  /** Keys may be added and removed during the walk. A key that is added may occur or not, and twice. */
  *entries(): Generator<[key: string, value: V], void> {
    const whole = this.#whole;
    if (whole !== undefined) yield* whole;
    // A walk that saw the whole has seen every key that was there when it began.
    else for (let i = 0; i < PARTS; i++) yield* this.#parts![i] ?? [];
  }

  #partOf(key: string): Map<string, V> | undefined {
    return this.#whole ?? this.#parts![hash(key)];
  }

  #spread(whole: Map<string, V>): void {
    this.#whole = undefined;
    this.#parts = Array<Map<string, V> | undefined>(PARTS);
    this.#size = 0;
    for (const [key, value] of whole) this.set(key, value);
  }
}

/** The part of a key: FNV-1a over its end. */
function hash(key: string): number {
  let sum = 0x811c9dc5;
  for (let i = Math.max(0, key.length - HASHED_LENGTH); i < key.length; i++) {
    sum = Math.imul(sum ^ key.charCodeAt(i), 0x01000193);
  }
  return (sum ^ (sum >>> 16)) & (PARTS - 1);
}
