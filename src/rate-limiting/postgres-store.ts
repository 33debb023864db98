/** Buckets in PostgreSQL, shared by any number of processes: one statement per decision, the server's clock. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import {
  boolean,
  checkOptions,
  clock as clockCheck,
  count,
  having,
  positive,
  string,
  type OptionChecks,
} from '../shared/options.js';
import { withinTimeout } from './answer-timeout.js';
import { isTableName, namesOf, schemaSql, type TableNames } from './postgres-function.js';
import { byBucket, isMissing, lateError, outcomeOf, storedKey, unavailable, type Row } from './postgres-operations.js';
import { microseconds, type Quota } from './quota.js';
import { DECLARED_FOR, quotaText } from './quota-watch.js';
import { namespaceOf, ServerStore, type OperationName, type Outcome, type Part } from './server-store.js';
import { monotonicMicroseconds, ServerTime } from './server-time.js';
import { signedWindow } from './windows.js';

/**
 * What the store uses of `pg`: a `Pool` is one. A `Client` works too, with one decision at a time.
 *
 * @example
 * import { Pool } from 'pg';
 * import { PostgresStore, type PostgresQueryable } from '@tooloo/resilience/postgres';
 *
 * const pool: PostgresQueryable = new Pool();
 * const store = new PostgresStore({ pool });
 */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** The pool, the table and the deadline. */
export interface PostgresStoreOptions {
  /** The caller's pool of `pg`. The store never closes it. */
  readonly pool: PostgresQueryable;
  /** Name of the table, with its schema or without. Default 'rate_limit_buckets'. */
  readonly table?: string;
  /**
   * Whether the store creates the table and its function where they are missing. Default true. With false, run
   * `PostgresStore.schema(table)` in a migration.
   */
  readonly createTable?: boolean;
  /** Milliseconds after which a decision fails, including the wait for a connection. Default 200. */
  readonly timeout?: number;
  /** How many processes share the store. While it is unavailable, each applies its share. Default 4. */
  readonly instances?: number;
  /** The clock by which buckets refill. Default: the server's, because the clocks of processes differ. For tests. */
  readonly clock?: Clock;
}

const OPTIONS: OptionChecks<PostgresStoreOptions> = {
  pool: having("a pool of 'pg'", 'query'),
  table: {
    ...string,
    expected: 'a table name of letters, digits and _, with its schema or without, of at most 40 characters each',
    range: isTableName,
  },
  createTable: boolean,
  timeout: positive,
  instances: count(),
  clock: clockCheck,
};

/** Begins the keys of rows that are limits in use: `storedKey` writes a backslash of a key otherwise. */
const DECLARED_KEY = '\\q';
const DEFAULT_TABLE = 'rate_limit_buckets';
const SETUP_TIMEOUT = 10_000;
/** Milliseconds between two removals of what has expired. */
const CLEAN_EVERY = 60_000;
/** Rows removed at a time, so that no decision waits long for a lock. */
const CLEANED_AT_ONCE = 1_000;

/**
 * Keeps buckets in PostgreSQL 12 or later, in one table.
 *
 * A decision that fails, or takes longer than `timeout`, rejects. A statement that the server runs after that time
 * changes nothing.
 *
 * @example
 * import { Pool } from 'pg';
 * import { rateLimit } from '@tooloo/resilience';
 * import { PostgresStore } from '@tooloo/resilience/postgres';
 *
 * app.use(rateLimit({ store: new PostgresStore({ pool: new Pool() }), rateLimit: 100, refillRate: 10 }));
 */
export class PostgresStore extends ServerStore {
  readonly instances: number;
  readonly namespace: object;
  readonly #pool: PostgresQueryable;
  readonly #names: TableNames;
  readonly #schema: string | undefined;
  readonly #timeout: number;
  readonly #clock: Clock | undefined;
  readonly #serverTime = new ServerTime();
  #setup: Promise<unknown> | undefined;
  #cleanedAt = monotonicClock.now();
  #closed = false;

  /** @throws TypeError, RangeError for an option that is missing, unknown, mistyped or out of range */
  constructor(options: PostgresStoreOptions) {
    super();
    const checked = checkOptions('PostgresStore', options, OPTIONS);
    if (checked.pool === undefined) throw new TypeError("PostgresStore: option 'pool' is required");
    const { pool, table = DEFAULT_TABLE, createTable = true } = checked;
    this.#pool = pool;
    this.#names = namesOf(table);
    this.#schema = createTable ? schemaSql(table) : undefined;
    this.namespace = namespaceOf(pool, table);
    this.#timeout = checked.timeout ?? 200;
    this.instances = checked.instances ?? 4;
    this.#clock = checked.clock;
  }

  /**
   * The SQL that creates the table and its function, for a migration. Running it again changes nothing.
   *
   * @throws RangeError for a table whose name needs quoting
   */
  static schema(table = DEFAULT_TABLE): string {
    if (!isTableName(table)) throw new RangeError(`PostgresStore.schema: '${table}' is not a plain table name`);
    return schemaSql(table);
  }

  /** As `RateLimitStore.declare`. A limit in use is a row whose key no client can have. */
  async declare(quota: Quota): Promise<number> {
    const { table } = this.#names;
    const now = 'floor(extract(epoch FROM clock_timestamp()) * 1000000)';
    const text = `
      WITH noted AS (
        INSERT INTO ${table} VALUES ($1, $2, 0, 0, 0, 1, 0, ${now} + $3, 0)
          ON CONFLICT (policy, key) DO UPDATE SET expires = excluded.expires
      )
      SELECT count(*) AS others FROM ${table}
        WHERE policy = $1 AND key <> $2 AND starts_with(key, $4) AND expires > ${now}`;
    const values = [quota.name, DECLARED_KEY + quotaText(quota), DECLARED_FOR * 1000, DECLARED_KEY];
    const { rows } = (await this.#query(text, values)) as { rows: readonly { others: unknown }[] };
    return 1 + Number(rows[0]!.others);
  }

  async resetAll(policy: string): Promise<void> {
    await this.#within(SETUP_TIMEOUT, () =>
      this.#query(`DELETE FROM ${this.#names.table} WHERE policy = $1`, [policy]),
    );
  }

  /** Refuses what comes later. The pool stays open: it is the caller's. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Every process sends the parts in one order, in which the server locks them.
   *
   * @internal
   */
  protected async run(operation: OperationName, given: readonly Part[]): Promise<Outcome> {
    const parts = given.map((part, at) => ({ ...part, key: storedKey(part.key), at })).sort(byBucket);
    const row = await this.#apply(operation, parts);
    if (row.pays === null) throw unavailable(`the decision took longer than ${this.#timeout} ms`);
    this.#clean(Number(row.now_us));
    return outcomeOf(parts, row);
  }

  async #apply(operation: OperationName, parts: readonly Part[]): Promise<Row> {
    const text = `SELECT * FROM ${this.#names.apply}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`;
    const of = (value: (part: Part) => unknown): unknown[] => parts.map(value);
    const columns = [
      of(({ quota }) => quota.name),
      of(({ key }) => key),
      of(({ quota }) => quota.capacity),
      of(({ quota }) => quota.unitsPerMicrosecond),
      of(({ quota }) => quota.unitsPerToken),
      of(({ quota }) => signedWindow(quota)),
      of(({ units }) => units),
    ];
    const ask = async (): Promise<Row> => {
      const sent = monotonicMicroseconds();
      const deadline = this.#clock === undefined ? this.#serverTime.deadline(sent, this.#timeout * 1000) : 0;
      const time = this.#clock === undefined ? null : microseconds(this.#clock.now());
      const work = this.#pool.query(text, [operation, time, deadline, ...columns]);
      const { rows } = await withinTimeout(work, this.#timeout, () => lateError(this.#timeout));
      const row = rows[0] as Row;
      if (this.#clock === undefined) this.#serverTime.learn(Number(row.now_us), sent);
      return row;
    };
    return this.#orCreate(ask);
  }

  #query(text: string, values: unknown[]): Promise<unknown> {
    return this.#orCreate(() => this.#pool.query(text, values));
  }

  #within<T>(timeout: number, work: () => Promise<T>): Promise<T> {
    return withinTimeout(work(), timeout, () => lateError(timeout));
  }

  /** Creates the table and the function when the server says that they are missing, and tries again once. */
  async #orCreate<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw unavailable('the store is closed');
    try {
      return await work();
    } catch (error) {
      if (this.#schema === undefined || !isMissing(error)) throw unavailable('the statement failed', error);
    }
    try {
      const schema = this.#schema;
      this.#setup ??= this.#within(SETUP_TIMEOUT, () => this.#pool.query(schema)).finally(
        () => (this.#setup = undefined),
      );
      await this.#setup;
      return await work();
    } catch (error) {
      throw unavailable('the table cannot be created', error);
    }
  }

  /** Deletes expired rows in the background. Rows that a decision has locked are skipped. */
  #clean(now: number): void {
    const time = monotonicClock.now();
    if (time - this.#cleanedAt < CLEAN_EVERY) return;
    this.#cleanedAt = time;
    const { table } = this.#names;
    const expired = `SELECT ctid FROM ${table} WHERE expires < $1 LIMIT ${CLEANED_AT_ONCE} FOR UPDATE SKIP LOCKED`;
    this.#pool.query(`DELETE FROM ${table} WHERE ctid = ANY (ARRAY(${expired}))`, [now]).then(
      () => undefined,
      () => undefined, // the next decision reports what is wrong
    );
  }
}
