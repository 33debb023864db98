/** Node's own SQLite behind the interface of `sqlite-database.ts`. */
import type {
  SqliteDatabase,
  SqliteOpener,
  SqliteOpenOptions,
  SqliteRunResult,
  SqliteStatement,
} from './sqlite-database.js';

/** The part of a statement of `node:sqlite` that is used. Later versions of Node have the optional methods. */
interface NodeStatement {
  run(...params: unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get(...params: unknown[]): object | undefined;
  all(...params: unknown[]): object[];
  setReadBigInts(isOn: boolean): void;
  setReturnArrays?(isOn: boolean): void;
}

interface NodeDatabase {
  readonly isOpen?: boolean;
  readonly isTransaction?: boolean;
  prepare(sql: string): NodeStatement;
  exec(sql: string): void;
  function(name: string, options: object, work: (...args: never[]) => unknown): void;
  close(): void;
}

/** The module `node:sqlite`. */
export interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { readOnly?: boolean }) => NodeDatabase;
}

/**
 * Makes the function that opens databases. It is also sent to threads as text, and therefore uses nothing from outside
 * itself.
 */
export function nodeSqliteOpener(sqlite: NodeSqlite): SqliteOpener {
  /** By number, from sqlite3.h. */
  const PRIMARY = (
    'OK ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL ' +
    'EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB NOTICE WARNING'
  ).split(' ');
  const EXTENDED: Readonly<Record<number, readonly string[]>> = {
    5: ['RECOVERY', 'SNAPSHOT', 'TIMEOUT'],
    11: ['VTAB', 'SEQUENCE', 'INDEX'],
    19: 'CHECK COMMITHOOK FOREIGNKEY FUNCTION NOTNULL PRIMARYKEY TRIGGER UNIQUE VTAB ROWID PINNED DATATYPE'.split(' '),
  };
  /**
   * Statements that reset the count of changed rows. After every other statement SQLite still reports the earlier
   * count.
   */
  const CHANGES_ROWS = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(?:insert|update|delete|replace|with)\b/i;
  /** The beginning of a statement that explains another one, and cannot be explained itself. */
  const EXPLAINS = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*explain\b(?:\s+query\s+plan\b)?/i;

  function named(error: unknown): unknown {
    const { errcode } = error as { errcode?: unknown };
    if (typeof errcode !== 'number') return error;
    const primary = PRIMARY[errcode & 0xff] ?? 'ERROR';
    const extended = EXTENDED[errcode & 0xff]?.[(errcode >> 8) - 1];
    return Object.assign(error as Error, { code: `SQLITE_${primary}${extended === undefined ? '' : `_${extended}`}` });
  }

  function guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw named(error);
    }
  }

  function plain(value: unknown, keepsBigInts: boolean): unknown {
    if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return typeof value === 'bigint' && !keepsBigInts ? Number(value) : value;
  }

  class Statement implements SqliteStatement {
    readonly #native: NodeStatement;
    readonly #explain: () => ReadonlyArray<{ opcode: string; p2: number }>;
    readonly #changesRows: boolean;
    readonly #isExplanation: boolean;
    #mode: 'object' | 'raw' | 'pluck' = 'object';
    #hasArrays = false;
    #keepsBigInts = false;
    #traits: { reader: boolean; readonly: boolean } | undefined;

    constructor(database: NodeDatabase, sql: string) {
      this.#native = guarded(() => database.prepare(sql));
      this.#changesRows = CHANGES_ROWS.test(sql);
      this.#isExplanation = EXPLAINS.test(sql);
      const explain = (): Array<{ opcode: string; p2: number }> =>
        database.prepare(`EXPLAIN ${sql.replace(EXPLAINS, '')}`).all() as Array<{ opcode: string; p2: number }>;
      this.#explain = explain;
    }

    get reader(): boolean {
      return this.#known.reader;
    }

    get readonly(): boolean {
      return this.#known.readonly;
    }

    /**
     * SQLite knows both, but Node does not expose them, so they are computed in the way in which SQLite computes them.
     */
    get #known(): { reader: boolean; readonly: boolean } {
      if (this.#traits === undefined) {
        const steps = this.#explain();
        const writes = ({ opcode, p2 }: { opcode: string; p2: number }): boolean =>
          (opcode === 'Transaction' && p2 !== 0) || ['Checkpoint', 'Vacuum', 'JournalMode'].includes(opcode);
        this.#traits = {
          reader: this.#isExplanation || steps.some(({ opcode }) => opcode === 'ResultRow'),
          readonly: !steps.some(writes),
        };
      }
      return this.#traits;
    }

    run(...params: unknown[]): SqliteRunResult {
      const { changes, lastInsertRowid } = guarded(() => this.#native.run(...this.#spread(params)));
      return { changes: this.#changesRows ? Number(changes) : 0, lastInsertRowid };
    }

    get(...params: unknown[]): unknown {
      const row = this.#read(() => this.#native.get(...this.#spread(params)));
      return row === undefined ? undefined : this.#row(row);
    }

    all(...params: unknown[]): unknown[] {
      return this.#read(() => this.#native.all(...this.#spread(params))).map((row) => this.#row(row));
    }

    raw(): this {
      return this.#as('raw');
    }

    pluck(): this {
      return this.#as('pluck');
    }

    safeIntegers(isOn: boolean): this {
      this.#keepsBigInts = isOn;
      this.#native.setReadBigInts(isOn);
      return this;
    }

    #as(mode: 'raw' | 'pluck'): this {
      this.#mode = mode;
      this.#hasArrays = this.#native.setReturnArrays !== undefined;
      this.#native.setReturnArrays?.(true);
      return this;
    }

    /** Reads again where an integer is above what a number holds exactly: it is then rounded, as better-sqlite3 does. */
    #read<T>(work: () => T): T {
      try {
        return work();
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ERR_OUT_OF_RANGE' || !this.readonly) throw named(error);
        this.#native.setReadBigInts(true);
        return guarded(work);
      }
    }

    #spread(params: unknown[]): unknown[] {
      return params.length === 1 && Array.isArray(params[0]) ? (params[0] as unknown[]) : params;
    }

    #row(row: object): unknown {
      if (this.#mode === 'object') {
        const result: Record<string, unknown> = {};
        for (const [name, value] of Object.entries(row)) result[name] = plain(value, this.#keepsBigInts);
        return result;
      }
      const values = this.#hasArrays ? (row as unknown[]) : Object.values(row);
      return this.#mode === 'pluck'
        ? plain(values[0], this.#keepsBigInts)
        : values.map((value) => plain(value, this.#keepsBigInts));
    }
  }

  class Database implements SqliteDatabase {
    readonly #native: NodeDatabase;
    #isOpen = true;
    #savepoints = 0;

    constructor(path: string, { readonly = false, timeout = 5000 }: SqliteOpenOptions) {
      this.#native = guarded(() => new sqlite.DatabaseSync(path, { readOnly: readonly }));
      this.exec(`PRAGMA busy_timeout = ${Math.round(timeout)}`);
    }

    get open(): boolean {
      return this.#isOpen;
    }

    get inTransaction(): boolean {
      if (this.#native.isTransaction !== undefined) return this.#native.isTransaction;
      try {
        this.#native.exec('BEGIN'); // refused within a transaction
      } catch {
        return true;
      }
      this.#native.exec('ROLLBACK');
      return false;
    }

    prepare<P extends unknown[] | object, R>(sql: string): SqliteStatement<P, R> {
      return new Statement(this.#native, sql) as unknown as SqliteStatement<P, R>;
    }

    exec(sql: string): this {
      guarded(() => this.#native.exec(sql));
      return this;
    }

    pragma(sql: string, { simple = false } = {}): unknown {
      const statement = new Statement(this.#native, `PRAGMA ${sql}`);
      return simple ? statement.pluck().get() : statement.all();
    }

    transaction<A extends unknown[], R>(
      work: (...args: A) => R,
    ): ((...args: A) => R) & { immediate: (...args: A) => R } {
      const begun =
        (begin: string) =>
        (...args: A): R =>
          this.#inTransaction(begin, () => work(...args));
      return Object.assign(begun('BEGIN'), { immediate: begun('BEGIN IMMEDIATE') });
    }

    function(name: string, work: (...args: never[]) => unknown): this {
      this.#native.function(name, { varargs: false }, work);
      return this;
    }

    close(): this {
      if (this.#isOpen) this.#native.close();
      this.#isOpen = false;
      return this;
    }

    #inTransaction<R>(begin: string, work: () => R): R {
      const name = `_nested_${++this.#savepoints}`;
      const [first, end, undo] = this.inTransaction
        ? [`SAVEPOINT ${name}`, `RELEASE ${name}`, `ROLLBACK TO ${name}; RELEASE ${name}`]
        : [begin, 'COMMIT', 'ROLLBACK'];
      this.exec(first);
      try {
        const result = work();
        this.exec(end);
        return result;
      } catch (error) {
        if (this.inTransaction) this.exec(undo);
        throw error;
      } finally {
        this.#savepoints--;
      }
    }
  }

  return (path, options = {}) => new Database(path, options);
}
