/** Statements of one shape issued together are run together: lookups as one statement, writes in one transaction. */
import { LRUCache } from 'lru-cache';
import { startTimer, type Clock, type Timer } from '../shared/clock.js';
import { ResilienceError, asError } from '../shared/errors.js';
import { bindContext } from '../shared/instrumentation.js';
import type { ConnectionPool } from './connection-pool.js';
import type { Dialect, Queryable, QueryResult, Row } from './connection.js';
import { asMergeableLookup, dealRows, mergedParams, mergedSql, type MergeableLookup } from './lookup-merge.js';
import type { PooledConnection } from './pooled-connection.js';
import { tokenizeSql } from './sql-tokens.js';
import { statementKind, type StatementKind } from './statement-kind.js';

export interface BatcherOptions {
  readonly pool: ConnectionPool;
  /** Statements that make a batch full. */
  readonly batchSize: number;
  /** Milliseconds a batch waits to fill; 0: until the current turn of the event loop is done. */
  readonly batchTimeout: number;
  /** Statements that may wait at once. */
  readonly maxQueued: number;
  readonly clock: Clock;
  /** Runs one statement, observed. */
  readonly run: (connection: Queryable, sql: string, params: readonly unknown[]) => Promise<QueryResult>;
}

/** The counters of batching. */
export interface BatchCounts {
  /** Batches run. */
  readonly batches: number;
  /** Statements that went through the queue. */
  readonly queriesBatched: number;
  /** Lookups that were answered by a statement they shared. */
  readonly lookupsMerged: number;
}

interface Entry {
  readonly sql: string;
  readonly params: readonly unknown[];
  readonly resolve: (result: QueryResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly entries: Entry[];
  timer: Timer | undefined;
}

interface Analysis {
  readonly kind: StatementKind;
  readonly lookup: MergeableLookup | undefined;
}

/** Statements whose analysis is remembered. */
const REMEMBERED = 500;

function analyse(sql: string, dialect: Dialect): Analysis {
  const tokens = tokenizeSql(sql);
  return { kind: statementKind(tokens), lookup: asMergeableLookup(tokens, dialect) };
}

function groupBySql(entries: readonly Entry[]): Entry[][] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.sql);
    if (group === undefined) groups.set(entry.sql, [entry]);
    else group.push(entry);
  }
  return [...groups.values()];
}

export class QueryBatcher {
  readonly #options: BatcherOptions;
  readonly #batches = new Map<string, Batch>();
  readonly #analyses = new LRUCache<string, Analysis>({ max: REMEMBERED });
  #queued = 0;
  #isClosed = false;
  #counts = { batches: 0, queriesBatched: 0, lookupsMerged: 0 };

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get counts(): BatchCounts {
    return { ...this.#counts };
  }

  /** Statements that wait. */
  get queued(): number {
    return this.#queued;
  }

  /** Whether a batch of this key is filling. */
  has(key: string): boolean {
    return this.#batches.has(key);
  }

  /** Adds a statement to the batch of its key. */
  enqueue(key: string, sql: string, params: readonly unknown[], signal?: AbortSignal): Promise<QueryResult> {
    const { maxQueued, batchSize } = this.#options;
    if (this.#isClosed) return Promise.reject(new ResilienceError('POOL_CLOSED', 'QueryOptimizer: closed'));
    if (signal?.aborted) return Promise.reject(asError(signal.reason));
    if (this.#queued >= maxQueued) {
      return Promise.reject(new ResilienceError('QUEUE_FULL', `QueryOptimizer: ${maxQueued} statements wait already`));
    }
    return new Promise((resolve, reject) => {
      const batch = this.#batches.get(key) ?? this.#startBatch(key);
      const entry: Entry = { sql, params, resolve: bindContext(resolve), reject: bindContext(reject) };
      this.#queued++;
      batch.entries.push(signal === undefined ? entry : this.#cancellable(entry, batch, signal));
      if (batch.entries.length >= batchSize) void this.flush(key);
    });
  }

  /** The entry, so that its signal takes it out of the batch while it waits, and its caller out of the wait after that. */
  #cancellable(entry: Entry, batch: Batch, signal: AbortSignal): Entry {
    const onAbort = (): void => {
      const place = batch.entries.indexOf(cancellable);
      if (place !== -1) {
        batch.entries.splice(place, 1);
        this.#queued--;
      }
      entry.reject(asError(signal.reason));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => signal.removeEventListener('abort', onAbort);
    const cancellable: Entry = {
      ...entry,
      resolve: (result) => [done(), entry.resolve(result)],
      reject: (error) => [done(), entry.reject(error)],
    };
    return cancellable;
  }

  #startBatch(key: string): Batch {
    const { batchTimeout, clock } = this.#options;
    const batch: Batch = { entries: [], timer: undefined };
    this.#batches.set(key, batch);
    const flush = (): void => {
      if (this.#batches.get(key) === batch) void this.flush(key);
    };
    // Its callers wait, so the timer keeps the process alive.
    if (batchTimeout > 0) batch.timer = startTimer(clock, flush, batchTimeout, true);
    // After the promise callbacks that are due now: what they ask for belongs to the batch too.
    else queueMicrotask(() => process.nextTick(flush));
    return batch;
  }

  /** Runs the batch of this key now. Resolves to the number of statements in it, when all of them have settled. */
  async flush(key: string): Promise<number> {
    const batch = this.#batches.get(key);
    if (batch === undefined) return 0;
    this.#batches.delete(key);
    batch.timer?.cancel();
    const entries = batch.entries.splice(0);
    this.#queued -= entries.length;
    if (entries.length === 0) return 0;
    this.#counts.batches++;
    this.#counts.queriesBatched += entries.length;
    try {
      await this.#options.pool.use((connection) => this.#runBatch(connection, entries));
    } catch (error) {
      for (const { reject } of entries) reject(error); // no connection; entries that are already settled stay unchanged
    }
    return entries.length;
  }

  /** Runs what waits, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#batches.keys()].map((key) => this.flush(key)));
  }

  async #runBatch(connection: PooledConnection, entries: readonly Entry[]): Promise<void> {
    // Nearly always of one shape, so of one kind; of long statements the shape does not tell what is in the middle.
    if (entries.length > 1 && entries.every(({ sql }) => this.#analyse(sql).kind === 'write'))
      return this.#runInTransaction(connection, entries);
    for (const group of groupBySql(entries)) {
      const lookup = group.length > 1 ? this.#analyse(group[0]!.sql).lookup : undefined;
      const isMerged = lookup !== undefined && (await this.#runMerged(connection, lookup, group));
      if (!isMerged) await this.#runEach(connection, group);
    }
  }

  #analyse(sql: string): Analysis {
    let analysis = this.#analyses.get(sql);
    if (analysis === undefined) this.#analyses.set(sql, (analysis = analyse(sql, this.#options.pool.dialect)));
    return analysis;
  }

  async #runEach(connection: PooledConnection, entries: readonly Entry[]): Promise<void> {
    for (const { sql, params, resolve, reject } of entries) {
      try {
        resolve(await this.#options.run(connection, sql, params));
      } catch (error) {
        reject(error);
      }
    }
  }

  /** False when it could not be done so: one bad key fails the whole statement, and must fail its own caller only. */
  async #runMerged(connection: PooledConnection, lookup: MergeableLookup, entries: readonly Entry[]): Promise<boolean> {
    if (entries.some(({ params }) => params.length !== 1)) return false;
    const keys = entries.map(({ params }) => params[0]);
    let rows: readonly Row[];
    try {
      ({ rows } = await this.#options.run(connection, mergedSql(lookup, keys.length), mergedParams(keys)));
    } catch {
      return false;
    }
    this.#counts.lookupsMerged += entries.length;
    const dealt = dealRows(rows, keys.length);
    entries.forEach(({ resolve }, i) => resolve({ rows: dealt[i]!, rowCount: dealt[i]!.length }));
    return true;
  }

  /**
   * All in one transaction; when one fails, none of it has happened, and each is run by itself, so that each gets the
   * outcome it would have had alone.
   */
  async #runInTransaction(connection: PooledConnection, entries: readonly Entry[]): Promise<void> {
    const results: QueryResult[] = [];
    try {
      await connection.transaction(async () => {
        for (const { sql, params } of entries) results.push(await this.#options.run(connection, sql, params));
      });
    } catch (error) {
      // A connection lost during COMMIT leaves open whether it happened: running it again might do it twice.
      if (!connection.connection.isOpen) throw error;
      return this.#runEach(connection, entries);
    }
    entries.forEach(({ resolve }, i) => resolve(results[i]!));
  }
}
