/** What was done to the instances of each service, when and why: kept in SQLite, bounded, and never in the way. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { asError } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import { checkOptions, count, func, string } from '../shared/options.js';
import { openSqlite } from '../shared/sqlite-driver.js';

/** Something that changed the number of instances, or tried to. */
export type ScalingEvent =
  'START' | 'STOP' | 'RESTART' | 'SCALE_UP' | 'SCALE_DOWN' | 'MIGRATE' | 'ADOPT' | 'CRASH' | 'CRASH_LOOP';

/** An event as the history keeps it. */
export interface ScalingRecord {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly service: string;
  readonly event: ScalingEvent;
  /** Instances there were, and were after it. */
  readonly from: number;
  readonly to: number;
  readonly outcome: 'done' | 'partial' | 'failed';
  /** Names of the instances it is about. */
  readonly instances: readonly string[];
  /** Who or what asked for it; null where nobody said. */
  readonly reason: string | null;
  /** What kept it from being done; null when nothing did. */
  readonly error: string | null;
}

/** Which events are wanted, and how many. */
export interface HistoryQuery {
  /** One service alone. */
  readonly service?: string;
  /** Records, the newest first. Default 100. */
  readonly limit?: number;
}

/** Where the records go. Neither method may throw: a full disk must not keep anybody from scaling. */
export interface ScalingHistory {
  record(record: ScalingRecord): void;
  list(query?: HistoryQuery): readonly ScalingRecord[];
  close(): void;
}

/** Where the history lies and how much it keeps. */
export interface SqliteScalingHistoryOptions {
  /** The file, folders made as needed; default ':memory:'. */
  readonly path?: string;
  /** Records kept; the oldest go. Default 10,000. */
  readonly maxRecords?: number;
  /** Size of the file, in bytes; a full one gives up its oldest records. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Told when records cannot be written. They are kept in memory, and written as soon as that is possible. */
  readonly onError?: (error: Error) => unknown;
}

interface Row {
  readonly record: string;
}

/** Records that wait in memory for a disk that takes none; the oldest are lost. */
const MAX_UNSAVED = 1000;
/** Milliseconds to wait for another process that writes; this thread stands still meanwhile. */
const BUSY_TIMEOUT = 200;
const PAGE = 4096;

const TABLE = `create table if not exists scaling_history (
  seq integer primary key, service text not null, record text not null
);
create index if not exists scaling_history_by_service on scaling_history (service, seq);`;

/**
 * A history in a SQLite file, or in memory.
 *
 * @throws TypeError or RangeError for a wrong option
 */
export function sqliteScalingHistory(options?: SqliteScalingHistoryOptions): ScalingHistory {
  return new SqliteScalingHistory(options);
}

class SqliteScalingHistory implements ScalingHistory {
  readonly #path: string;
  readonly #maxRecords: number;
  readonly #maxPages: number;
  readonly #onError: ((error: Error) => unknown) | undefined;
  #db: Database.Database | undefined;
  #unsaved: ScalingRecord[] = [];
  #isClosed = false;

  constructor(options?: SqliteScalingHistoryOptions) {
    const checked = checkOptions('sqliteScalingHistory', options, {
      path: string,
      maxRecords: count(),
      maxBytes: count(16 * PAGE),
      onError: func,
    });
    this.#path = checked.path ?? ':memory:';
    this.#maxRecords = checked.maxRecords ?? 10_000;
    this.#maxPages = Math.floor((checked.maxBytes ?? 16 * 1024 * 1024) / PAGE);
    this.#onError = checked.onError;
  }

  record(record: ScalingRecord): void {
    if (this.#isClosed) return;
    this.#unsaved.push(record);
    if (this.#unsaved.length > MAX_UNSAVED) this.#unsaved.shift();
    try {
      this.#save();
    } catch (error) {
      if (this.#onError !== undefined) callGuarded('sqliteScalingHistory: onError', this.#onError, asError(error));
    }
  }

  list({ service, limit = 100 }: HistoryQuery = {}): readonly ScalingRecord[] {
    const waiting = this.#unsaved.filter((one) => service === undefined || one.service === service).reverse();
    return [...waiting, ...this.#saved(service, limit)].slice(0, limit);
  }

  close(): void {
    this.#isClosed = true;
    this.#db?.close();
    this.#db = undefined;
  }

  #saved(service: string | undefined, limit: number): ScalingRecord[] {
    try {
      const where = service === undefined ? '' : 'where service = @service';
      const rows = this.#open()
        .prepare<unknown[], Row>(`select record from scaling_history ${where} order by seq desc limit @limit`)
        .all({ limit, ...(service !== undefined && { service }) });
      return rows.map(({ record }) => JSON.parse(record) as ScalingRecord);
    } catch {
      return []; // what could not be written was told; what cannot be read is not there
    }
  }

  /** Writes all that waits; a full file first loses its oldest tenth. */
  #save(): void {
    const db = this.#open();
    const insert = db.prepare('insert into scaling_history (service, record) values (?, ?)');
    const trim = db.prepare('delete from scaling_history where seq <= (select max(seq) from scaling_history) - ?');
    const write = db.transaction((records: readonly ScalingRecord[]) => {
      for (const record of records) insert.run(record.service, JSON.stringify(record));
      trim.run(this.#maxRecords);
    });
    try {
      write.immediate(this.#unsaved);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SQLITE_FULL' || !this.#forgetOldest(db)) throw error;
      write.immediate(this.#unsaved);
    }
    this.#unsaved = [];
  }

  #forgetOldest(db: Database.Database): boolean {
    const { changes } = db
      .prepare(
        `delete from scaling_history where seq in (
          select seq from scaling_history order by seq limit (select count(*) / 10 + 1 from scaling_history)
        )`,
      )
      .run();
    return changes > 0;
  }

  #open(): Database.Database {
    if (this.#db !== undefined) return this.#db;
    if (this.#isClosed) throw new Error('the history is closed');
    if (this.#path !== ':memory:') mkdirSync(dirname(this.#path), { recursive: true });
    const db = openSqlite(this.#path);
    try {
      db.pragma(`busy_timeout = ${BUSY_TIMEOUT}`);
      db.pragma(`page_size = ${PAGE}`);
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = NORMAL');
      db.pragma(`max_page_count = ${this.#maxPages}`);
      db.exec(TABLE);
    } catch (error) {
      db.close();
      throw error;
    }
    this.#db = db;
    return db;
  }
}
