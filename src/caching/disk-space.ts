/** The space in the file of the disk layer, and the eviction when it runs out. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import type { CacheFile } from './cache-file.js';

/** Rows the first eviction removes at most; each further one may remove twice as many. */
export const EVICTION = 64;
/** Rows of a megabyte take a hundred times as long to remove as small ones: an eviction or a sweep ends after this time. */
const LONGEST = 2;
const STEP = 4;
/** Bytes the tables need beyond the value when a row is added: pages of the indexes may split. */
const ROOM_TO_WORK = 64 * 1024;
/** The share of the limit to which a file from an earlier, larger limit is reduced. */
const AFTER_SHRINKING = 0.9;

export class DiskSpace {
  evictions = 0;
  expirations = 0;
  readonly #file: CacheFile;
  readonly #clock: Clock;
  readonly #maxSize: number;

  constructor(file: CacheFile, clock: Clock, maxSize: number) {
    this.#file = file;
    this.#clock = clock;
    this.#maxSize = maxSize;
  }

  /** Removes expired entries, otherwise those written longest ago. Returns whether any was removed. */
  evict(rows: number): boolean {
    if (this.removeExpired(rows) > 0) return true;
    const { statements } = this.#file;
    const evicted = inSteps(rows, (some) => statements.removeOldest.run(some).changes);
    this.evictions += evicted;
    return evicted > 0;
  }

  /** How many rows were removed: `rows` at most, fewer where they take long. */
  removeExpired(rows: number): number {
    const { statements } = this.#file;
    const now = this.#clock.now();
    const removed = inSteps(rows, (some) => statements.removeExpired.run(now, some).changes);
    this.expirations += removed;
    return removed;
  }

  /** Evicts until a value of this size can be added. */
  makeRoom(bytes: number): void {
    const needed = bytes + ROOM_TO_WORK;
    for (let rows = EVICTION; this.#maxSize - this.#file.bytesUsed < needed && this.evict(rows); rows *= 2);
  }

  /** Reduces a file from an earlier, larger limit to the current limit. */
  shrink(): void {
    if (this.#file.bytes <= this.#maxSize) return;
    while (this.#file.bytesUsed > AFTER_SHRINKING * this.#maxSize && this.evict(EVICTION));
    this.#file.shrink();
  }
}

function inSteps(rows: number, remove: (rows: number) => number): number {
  const end = monotonicClock.now() + LONGEST;
  let removed = 0;
  for (let some = STEP; removed < rows; some *= 2) {
    const asked = Math.min(some, rows - removed);
    const changes = remove(asked);
    removed += changes;
    if (changes < asked || monotonicClock.now() >= end) break;
  }
  return removed;
}
