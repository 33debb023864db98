/**
 * The least recently used entries of records that take no new ones, hidden until they are evicted. To hide an entry is to set
 * one byte: half a million of them take 4 ms, and to evict them takes 350 ms.
 */
import { LRUCache } from 'lru-cache';
import type { PlainRecords } from './memory-records.js';

export class OldestEntries {
  readonly #records: PlainRecords;
  /** lru-cache's own: a list from the oldest entry, the head, to the newest one, by index. */
  readonly #list: ReturnType<typeof LRUCache.unsafeExposeInternals<string, NonNullable<unknown>, unknown>>;
  /** 1 for a hidden entry, by index. */
  readonly #marks: Uint8Array;
  /** The oldest entry that is not hidden. */
  #boundary: number;
  #hidden = 0;

  constructor(records: PlainRecords) {
    this.#records = records;
    this.#list = LRUCache.unsafeExposeInternals(records);
    this.#marks = new Uint8Array(records.max);
    this.#boundary = this.#list.head;
  }

  /** How many are hidden and have not left. */
  get size(): number {
    return this.#hidden;
  }

  has(key: string): boolean {
    const index = this.#list.keyMap.get(key);
    return index !== undefined && this.#marks[index] === 1;
  }

  /** Hides the oldest entries that are visible. */
  hide(count: number): void {
    const most = Math.min(count, this.#records.size - this.#hidden);
    const { next } = this.#list;
    for (let i = 0; i < most; i++) {
      this.#marks[this.#boundary] = 1;
      this.#boundary = next[this.#boundary] as number;
    }
    this.#hidden += most;
  }

  /** Removes an entry from the records. Returns whether it was visible. */
  remove(key: string): boolean {
    const index = this.#list.keyMap.get(key);
    if (index === undefined) return false;
    const isHidden = this.#marks[index] === 1;
    if (isHidden) this.#hidden--;
    else if (index === this.#boundary) this.#boundary = this.#list.next[index] as number;
    this.#records.delete(key);
    return !isHidden;
  }

  /** Evicts the oldest entry, hidden or not. */
  evict(): void {
    const { head, next } = this.#list;
    if (this.#marks[head] === 1) this.#hidden--;
    else if (head === this.#boundary) this.#boundary = next[head] as number;
    this.#records.pop();
  }
}
