/** The room in the file of the disk layer: what goes when it runs out. */
import type { Clock } from '../shared/clock.js';
import type { CacheFile } from './cache-file.js';

/** Rows the first eviction removes; each further one removes twice as many. */
export const EVICTION = 64;
/** Bytes the tables need beyond the value when a row is added: pages of the indexes may split. */
const ROOM_TO_WORK = 64 * 1024;
/** Share of the bound that a file from a time with a larger one is brought down to. */
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

  /** Removes what has expired, else what was written longest ago. Whether there was anything to remove. */
  evict(rows: number): boolean {
    if (this.removeExpired(rows) > 0) return true;
    const evicted = this.#file.statements.removeOldest.run(rows).changes;
    this.evictions += evicted;
    return evicted > 0;
  }

  /** How many rows were removed, `rows` at most. */
  removeExpired(rows: number): number {
    const removed = this.#file.statements.removeExpired.run(this.#clock.now(), rows).changes;
    this.expirations += removed;
    return removed;
  }

  /** Evicts until a value of this size can be added. */
  makeRoom(bytes: number): void {
    const needed = bytes + ROOM_TO_WORK;
    for (let rows = EVICTION; this.#maxSize - this.#file.bytesUsed < needed && this.evict(rows); rows *= 2);
  }

  /** Brings a file from a time with a larger bound within the present one. */
  shrink(): void {
    if (this.#file.bytes <= this.#maxSize) return;
    while (this.#file.bytesUsed > AFTER_SHRINKING * this.#maxSize && this.evict(EVICTION));
    this.#file.vacuum();
  }
}
