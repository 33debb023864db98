/** Reads from the file of the disk layer. Expired rows stay until the cleanup, because a read must not wait for the write lock. */
import type { Clock } from '../shared/clock.js';
import type { CacheEntry } from './cache-layer.js';
import type { DiskAccess } from './disk-access.js';
import { latestAt, lifetimeOf, parseTags, verdictOn } from './disk-lifetime.js';
import type { EntryRow, Statements } from './disk-schema.js';
import { decodeIfIntact } from './value-codec.js';
import type { Forgetting } from './watched-clock.js';

export class DiskLookups {
  hits = 0;
  misses = 0;
  readonly #access: DiskAccess;
  readonly #clock: Clock;
  /** Until what is from before the clock was set back is gone, nothing is found. */
  readonly #forgetting: Forgetting;

  constructor(access: DiskAccess, clock: Clock, forgetting: Forgetting) {
    this.#access = access;
    this.#clock = clock;
    this.#forgetting = forgetting;
  }

  /** The fresh value. */
  get(key: string): unknown {
    const value = this.#access.attempt((sql) => {
      const row = sql.value.get(key, latestAt(this.#clock.now()));
      return row !== undefined && this.#isFresh(sql, row[2], row[3], row[4])
        ? decodeIfIntact(row[0], row[1])
        : undefined;
    });
    this.#count(value !== undefined);
    return value;
  }

  /** Whether there is a fresh value. */
  has(key: string): boolean {
    return this.#access.attempt((sql) => {
      const row = sql.presence.get(key, latestAt(this.#clock.now()));
      return row !== undefined && this.#isFresh(sql, ...row);
    });
  }

  /** The entry, fresh or within its grace. */
  read(key: string): CacheEntry | undefined {
    const entry = this.#access.attempt((sql) => {
      const row = sql.entry.get(key, latestAt(this.#clock.now()));
      return row === undefined ? undefined : this.#entryOf(sql, row);
    });
    this.#count(entry !== undefined && entry.ttl > 0);
    return entry;
  }

  #isFresh(sql: Statements, expiresAt: number, tags: string | null, generation: number): boolean {
    if (this.#forgetting.isPending || expiresAt <= this.#clock.now()) return false;
    return verdictOn(sql, tags, generation) === 'valid';
  }

  #entryOf(sql: Statements, row: EntryRow): CacheEntry | undefined {
    const lifetime = lifetimeOf(sql, row, this.#clock.now());
    if (lifetime === undefined || this.#forgetting.isPending) return undefined;
    const value = decodeIfIntact(row[0], row[1]);
    return value === undefined ? undefined : { value, ...lifetime, tags: parseTags(row[3]) };
  }

  #count(isHit: boolean): void {
    if (isHit) this.hits++;
    else this.misses++;
  }
}
