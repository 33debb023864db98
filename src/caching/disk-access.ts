/** Reads and writes on the file of the disk layer: a damaged file is replaced, a full one gets room, and the call repeats. */
import type { CacheFile } from './cache-file.js';
import type { Statements } from './disk-schema.js';
import { EVICTION, type DiskSpace } from './disk-space.js';
import { isDamage, isFull } from './file-damage.js';

export class DiskAccess {
  readonly #file: CacheFile;
  readonly #space: DiskSpace;

  constructor(file: CacheFile, space: DiskSpace) {
    this.#file = file;
    this.#space = space;
  }

  /** Runs a read; if the file is damaged, once more on the new file. */
  attempt<R>(work: (sql: Statements) => R): R {
    try {
      return work(this.#file.statements);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#file.rebuild(error);
      return work(this.#file.statements);
    }
  }

  /**
   * Runs a write in a transaction that takes the write lock before it reads. A transaction that took the lock on its
   * first write would fail at once, without waiting, if another process had written in between (SQLITE_BUSY_SNAPSHOT).
   */
  change<R>(work: (sql: Statements) => R): R {
    return this.withRoom((sql) => this.#file.inTransaction(() => work(sql)));
  }

  /** As `change`, for work that must not run twice: a full file is an error. */
  changeOnce<R>(work: (sql: Statements) => R): R {
    return this.attempt((sql) => this.#file.inTransaction(() => work(sql)));
  }

  /** Runs a write; if the file is full, evicts the entries written longest ago and repeats it. */
  withRoom<R>(write: (sql: Statements) => R): R {
    return this.attempt((sql) => {
      for (let rows = EVICTION; ; rows *= 2) {
        try {
          return write(sql);
        } catch (error) {
          if (!isFull(error) || !this.#space.evict(rows)) throw error;
        }
      }
    });
  }
}
