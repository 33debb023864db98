/** Kysely on the kit's ConnectionPool. Each statement goes through a QueryOptimizer, on SQLite and on PostgreSQL. */
import {
  CompiledQuery,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import type {
  ConnectionPool,
  PooledConnection,
  QueryOptimizer,
  QueryResult as StatementResult,
} from '../../src/index.js';
import { asDatabaseFault } from './database-faults.js';

export interface PoolDialectConfig {
  readonly pool: ConnectionPool;
  readonly optimizer: QueryOptimizer;
}

/** Statements for which the number of changed rows is returned. */
const WRITES: ReadonlySet<string> = new Set([
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'MergeQueryNode',
]);

class PoolConnection implements DatabaseConnection {
  isInTransaction = false;
  #pooled: PooledConnection;
  readonly #config: PoolDialectConfig;

  constructor(pooled: PooledConnection, config: PoolDialectConfig) {
    this.#pooled = pooled;
    this.#config = config;
  }

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    const { query } = compiled;
    const { rows, rowCount, lastInsertId } = await this.#run<R>(compiled);
    if (!WRITES.has(query.kind)) return { rows };
    const numAffectedRows = BigInt(rowCount);
    return lastInsertId === undefined
      ? { rows, numAffectedRows }
      : { rows, numAffectedRows, insertId: BigInt(lastInsertId) };
  }

  /** Neither driver keeps a cursor here. The whole result is read and then returned in chunks of `chunkSize` rows. */
  async *streamQuery<R>(query: CompiledQuery, chunkSize = 1): AsyncIterableIterator<QueryResult<R>> {
    const { rows } = await this.executeQuery<R>(query);
    for (let i = 0; i < rows.length; i += chunkSize) yield { rows: rows.slice(i, i + chunkSize) };
  }

  release(): void {
    this.#pooled.release();
  }

  /**
   * A read is repeated on another connection if its connection is lost, because repeating a read has no side effects.
   */
  async #run<R>(compiled: CompiledQuery, isRepeat = false): Promise<StatementResult<R>> {
    const { connection } = this.#pooled;
    try {
      return await this.#config.optimizer.run<R>(this.#pooled, compiled.sql, compiled.parameters);
    } catch (error) {
      const isLost = !connection.isOpen;
      const mayRepeat = compiled.query.kind === 'SelectQueryNode' && !this.isInTransaction;
      if (!isLost || !mayRepeat || isRepeat) throw asDatabaseFault(error, isLost);
      this.#pooled.release();
      this.#pooled = await this.#config.pool.acquire();
      return this.#run<R>(compiled, true);
    }
  }
}

/** The `BEGIN` statement of the dialect, with the requested isolation level on PostgreSQL. */
function beginStatement(pool: ConnectionPool, { isolationLevel, accessMode }: TransactionSettings): string {
  // A SQLite transaction takes the write lock first. If it read before it wrote, a writer in between would make it
  // fail.
  if (pool.dialect === 'sqlite') return accessMode === 'read only' ? 'begin' : 'begin immediate';
  const isolation = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`;
  return `begin${isolation}${accessMode === undefined ? '' : ` ${accessMode}`}`;
}

class PoolDriver implements Driver {
  readonly #config: PoolDialectConfig;

  constructor(config: PoolDialectConfig) {
    this.#config = config;
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  async acquireConnection(): Promise<PoolConnection> {
    return new PoolConnection(await this.#config.pool.acquire(), this.#config);
  }

  releaseConnection(connection: PoolConnection): Promise<void> {
    connection.release();
    return Promise.resolve();
  }

  async beginTransaction(connection: PoolConnection, settings: TransactionSettings): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(beginStatement(this.#config.pool, settings)));
    connection.isInTransaction = true;
  }

  async commitTransaction(connection: PoolConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: PoolConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  /** The pool closes with the database that owns it, not with a Kysely instance. */
  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

/** The dialect for `new Kysely({ dialect })`. */
export function poolDialect(config: PoolDialectConfig): Dialect {
  const isSqlite = config.pool.dialect === 'sqlite';
  return {
    createDriver: () => new PoolDriver(config),
    createQueryCompiler: (): QueryCompiler => (isSqlite ? new SqliteQueryCompiler() : new PostgresQueryCompiler()),
    createAdapter: () => (isSqlite ? new SqliteAdapter() : new PostgresAdapter()),
    createIntrospector: (db: Kysely<unknown>) => (isSqlite ? new SqliteIntrospector(db) : new PostgresIntrospector(db)),
  };
}
