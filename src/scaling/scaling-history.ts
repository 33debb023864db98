/**
 * The history of changes to the instances of each service, with time and reason. It is stored in SQLite, is bounded,
 * and its failures do not affect scaling.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { asError } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import { checkOptions, count, func, string } from '../shared/options.js';
import { openSqlite, type SqliteDatabase } from '../shared/sqlite-driver.js';

/** A change of the number of instances, or an attempt. */
export type ScalingEvent =
  'START' | 'STOP' | 'RESTART' | 'SCALE_UP' | 'SCALE_DOWN' | 'MIGRATE' | 'ADOPT' | 'CRASH' | 'CRASH_LOOP';

/** An event as stored in the history. */
export interface ScalingRecord {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly service: string;
  readonly event: ScalingEvent;
  /** Number of instances before and after the event. */
  readonly from: number;
  readonly to: number;
  readonly outcome: 'done' | 'partial' | 'failed';
  /** Names of the affected instances. */
  readonly instances: readonly string[];
  /** The requester or the reason; null if not given. */
  readonly reason: string | null;
  /** Why it failed; null if it succeeded. */
  readonly error: string | null;
}

/** Which events to return, and how many. */
export interface HistoryQuery {
  /** Only this service. */
  readonly service?: string;
  /** Maximum number of records, newest first. Default 100. */
  readonly limit?: number;
}

/**
 * Stores the records. Neither method may throw, because a full disk must not prevent scaling.
 *
 * @example
 * import { HorizontalScalingManager, type ScalingHistory, type ScalingRecord } from '@tooloo/resilience';
 *
 * const records: ScalingRecord[] = [];
 * const history: ScalingHistory = {
 *   record: (record) => void records.unshift(record),
 *   list: ({ limit = 100 } = {}) => records.slice(0, limit),
 *   close: () => undefined,
 * };
 * const manager = new HorizontalScalingManager({ history });
 */
export interface ScalingHistory {
  record(record: ScalingRecord): void;
  list(query?: HistoryQuery): readonly ScalingRecord[];
  close(): void;
}

/** Location and size of the history. */
export interface SqliteScalingHistoryOptions {
  /** The file; folders are created as needed. Default ':memory:'. */
  readonly path?: string;
  /** Maximum number of records. The oldest are deleted. Default 10,000. */
  readonly maxRecords?: number;
  /** Maximum size of the file in bytes. If it is full, the oldest records are deleted. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Called if records cannot be written. They stay in memory until they can be written. */
  readonly onError?: (error: Error) => unknown;
}

interface Row {
  readonly record: string;
}

/** Maximum number of records in memory while the disk cannot be written. The oldest are lost. */
const MAX_UNSAVED = 1000;
/** Milliseconds to wait for another process that writes. This thread is blocked meanwhile. */
const BUSY_TIMEOUT = 200;
const PAGE = 4096;

const TABLE = `create table if not exists scaling_history (
  seq integer primary key, service text not null, record text not null
);
create index if not exists scaling_history_by_service on scaling_history (service, seq);`;

/**
 * A history in a SQLite file or in memory.
 *
 * @throws TypeError or RangeError for an invalid option
 *
 * @example
 * import { HorizontalScalingManager, sqliteScalingHistory } from '@tooloo/resilience';
 *
 * const history = sqliteScalingHistory({ path: './data/scaling.db' });
 * const manager = new HorizontalScalingManager({ history });
 */
export function sqliteScalingHistory(options?: SqliteScalingHistoryOptions): ScalingHistory {
  return new SqliteScalingHistory(options);
}

class SqliteScalingHistory implements ScalingHistory {
  readonly #path: string;
  readonly #maxRecords: number;
  readonly #maxPages: number;
  readonly #onError: ((error: Error) => unknown) | undefined;
  #db: SqliteDatabase | undefined;
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
      return []; // the failed write was reported; records that cannot be read are left out
    }
  }

  /** Writes all waiting records. If the file is full, it first deletes the oldest tenth. */
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

  #forgetOldest(db: SqliteDatabase): boolean {
    const { changes } = db
      .prepare(
        `delete from scaling_history where seq in (
          select seq from scaling_history order by seq limit (select count(*) / 10 + 1 from scaling_history)
        )`,
      )
      .run();
    return changes > 0;
  }

  #open(): SqliteDatabase {
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
