/** Watches every statement, batches those of one shape, and says what is wrong with them. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { currentRoute, currentTrace, startSpan } from '../shared/instrumentation.js';
import { findAntiPatterns, type Suggestion, type Suspicion } from './anti-patterns.js';
import type { AcquireOptions, ConnectionPool } from './connection-pool.js';
import type { Queryable, QueryResult, Row } from './connection.js';
import { fingerprint } from './fingerprint.js';
import { adviseIndex, type IndexSuggestion } from './index-advisor.js';
import { QueryBatcher, type BatchCounts } from './query-batcher.js';
import { resolveOptimizerOptions, type QueryOptimizerOptions } from './query-optimizer-options.js';
import { explain, type QueryPlan } from './query-plan.js';
import { StatisticsTable, type QueryStatistics } from './query-statistics.js';
import { RepetitionWatch, type RepeatedQuery } from './repetition-watch.js';
import { SlowQueryLog, type SlowQuery } from './slow-query-log.js';

export interface QueryOptimizerStats extends BatchCounts {
  /** Statements run. */
  readonly queries: number;
  readonly errors: number;
  readonly slowQueries: number;
  /** Milliseconds. */
  readonly averageLatency: number;
  /** Each statement shape, the most expensive in total first. Shapes hold no values. */
  readonly statements: readonly QueryStatistics[];
  /** Shapes forgotten because there were more than `maxShapes`. */
  readonly forgottenShapes: number;
}

/** A judgement of one statement. */
export interface QueryAnalysis {
  /** The statement's shape, without its values. */
  readonly normalized: string;
  readonly suggestions: readonly Suggestion[];
  /** The database's plan, a line a step. */
  readonly plan?: readonly string[];
}

/** Texts whose shape is remembered, so that a statement seen before costs a lookup; and the characters they may hold. */
const REMEMBERED_TEXTS = 1000;
const REMEMBERED_CHARACTERS = 2_000_000;

/** Milliseconds to wait for a connection to ask for a plan: advice must not stand in anyone's way for long. */
const PLAN_TIMEOUT = 1000;

const NO_BATCHES: BatchCounts = { batches: 0, queriesBatched: 0, lookupsMerged: 0 };

function noPool(): ResilienceError {
  return new ResilienceError('NOT_CONFIGURED', 'QueryOptimizer: running statements needs the option pool');
}

/** The text's judgement, corrected and completed by what the database would really do. */
function confirm(normalized: string, suspicions: readonly Suspicion[], plan: QueryPlan): QueryAnalysis {
  const isScanned = plan.scannedTables.length > 0;
  const confirmed = suspicions.filter(({ needsScan }) => isScanned || !needsScan);
  const suggestions = [...confirmed.map(({ suggestion }) => suggestion), ...plan.findings];
  return { normalized, suggestions, plan: plan.steps };
}

/**
 * An optimizer over a pool. `run` watches a statement on a connection the caller holds, `query` one on a connection of
 * the pool, `queueQuery` batches; `optimizeQuery` judges a statement without running it.
 */
export class QueryOptimizer {
  readonly #clock: Clock;
  readonly #pool: ConnectionPool | undefined;
  readonly #batcher: QueryBatcher | undefined;
  readonly #statistics: StatisticsTable;
  readonly #slowQueryThreshold: number;
  readonly #slow: SlowQueryLog;
  readonly #repetitions: RepetitionWatch;
  readonly #shapes = new LRUCache<string, string>({
    max: REMEMBERED_TEXTS,
    maxSize: REMEMBERED_CHARACTERS,
    sizeCalculation: (shape, sql) => shape.length + sql.length + 1,
  });
  #queries = 0;
  #errors = 0;
  #totalTime = 0;

  constructor(options?: QueryOptimizerOptions) {
    const settings = resolveOptimizerOptions(options);
    const { pool, slowQueryLogSize, onSlowQuery } = settings;
    this.#clock = settings.clock;
    this.#pool = pool;
    this.#statistics = new StatisticsTable(settings.maxShapes);
    this.#slowQueryThreshold = settings.slowQueryThreshold;
    this.#slow = new SlowQueryLog(slowQueryLogSize, async (sql) => (await this.#plan(sql))?.steps, onSlowQuery);
    this.#repetitions = new RepetitionWatch(settings.repetitionThreshold);
    if (pool !== undefined) {
      const run = (connection: Queryable, sql: string, params: readonly unknown[]): Promise<QueryResult> =>
        this.run(connection, sql, params);
      this.#batcher = new QueryBatcher({ ...settings, pool, run });
    }
  }

  /** Runs a statement on this connection and watches it: a span, statistics, the slow-query log. */
  async run<R = Row>(connection: Queryable, sql: string, params?: readonly unknown[]): Promise<QueryResult<R>> {
    const shape = this.normalizeQuery(sql);
    const traceId = currentTrace()?.traceId;
    if (traceId !== undefined) this.#repetitions.count(traceId, shape, currentRoute());
    const span = startSpan('db.query', { 'db.query.summary': shape });
    const start = this.#clock.now();
    try {
      const result = await connection.query<R>(sql, params);
      this.#observe(sql, shape, this.#clock.now() - start, result.rowCount, false);
      span?.end();
      return result;
    } catch (error) {
      this.#observe(sql, shape, this.#clock.now() - start, 0, true);
      span?.end(error);
      throw error;
    }
  }

  #observe(sql: string, shape: string, duration: number, rows: number, isError: boolean): void {
    this.#queries++;
    this.#totalTime += duration;
    if (isError) this.#errors++;
    this.#statistics.record(shape, duration, rows, isError);
    if (duration < this.#slowQueryThreshold) return;
    const [route, traceId] = [currentRoute(), currentTrace()?.traceId];
    this.#slow.add({ fingerprint: shape, duration, rows, route, traceId }, sql);
  }

  /** Runs a statement on a connection of the pool, watched. Not batched. */
  query<R = Row>(sql: string, params?: readonly unknown[], options?: AcquireOptions): Promise<QueryResult<R>> {
    if (this.#pool === undefined) return Promise.reject(noPool());
    return this.#pool.use((connection) => this.run<R>(connection, sql, params), options);
  }

  /**
   * Runs a statement together with others of its shape that are queued about now: lookups by one key become one
   * statement, writes one transaction. What it resolves to, or fails with, is what it would have been alone. Statements
   * of different shapes are not kept in the order they were queued.
   *
   * @param options its `signal` gives up: a statement still queued does not run
   * @throws ResilienceError NOT_CONFIGURED without a pool, QUEUE_FULL when `maxQueued` wait, and what `acquire` throws
   */
  queueQuery<R = Row>(
    sql: string,
    params: readonly unknown[] = [],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<QueryResult<R>> {
    if (this.#batcher === undefined) return Promise.reject(noPool());
    return this.#batcher.enqueue(this.normalizeQuery(sql), sql, params, signal) as Promise<QueryResult<R>>;
  }

  /**
   * Runs a batch now, without waiting for it to fill.
   *
   * @param queryKey the statement, or its shape as `normalizeQuery` gives it
   * @returns how many statements were in it, when all of them have settled
   */
  executeBatch(queryKey: string): Promise<number> {
    return this.#batcher === undefined ? Promise.resolve(0) : this.#batcher.flush(this.normalizeQuery(queryKey));
  }

  /** The statement's shape: its values as `?`, so that it can be shown and counted. */
  normalizeQuery(sql: string): string {
    let shape = this.#shapes.get(sql);
    if (shape === undefined) this.#shapes.set(sql, (shape = fingerprint(sql)));
    return shape;
  }

  /**
   * Judges a statement without running it: what its text gives away, confirmed and completed by the database's plan.
   *
   * @returns at once without a pool, a promise with one; where the database has no plan for it, the text's judgement alone
   */
  optimizeQuery(sql: string): QueryAnalysis | Promise<QueryAnalysis> {
    const normalized = this.normalizeQuery(sql);
    const suspicions = findAntiPatterns(sql);
    const textOnly: QueryAnalysis = { normalized, suggestions: suspicions.map(({ suggestion }) => suggestion) };
    if (this.#pool === undefined) return textOnly;
    return this.#plan(sql).then((plan) => (plan === undefined ? textOnly : confirm(normalized, suspicions, plan)));
  }

  /**
   * The index that would help a statement most, if one would: each candidate is created on a copy (the schema on SQLite, a
   * sample of the rows on PostgreSQL) and kept only if the database plans better with it. Nothing changes in the
   * database itself; the work takes a connection for some milliseconds to seconds.
   *
   * @throws ResilienceError NOT_CONFIGURED without a pool; the database's error when the statement is wrong
   */
  suggestIndex(sql: string): Promise<IndexSuggestion | undefined> {
    if (this.#pool === undefined) return Promise.reject(noPool());
    return this.#pool.use((connection) => adviseIndex(connection, sql));
  }

  /** The plan, or undefined when the database gives none: there is no connection, or the statement does not fit its schema. */
  async #plan(sql: string): Promise<QueryPlan | undefined> {
    try {
      return await this.#pool?.use((connection) => explain(connection, sql), { timeout: PLAN_TIMEOUT });
    } catch {
      return undefined;
    }
  }

  /** The slow statements of late, the newest first; each with its plan once the database was asked. */
  getSlowQueries(): readonly SlowQuery[] {
    return this.#slow.list();
  }

  /** Statements that single traces sent again and again (N+1), the worst first, one entry a route and shape. */
  getRepeatedQueries(): readonly RepeatedQuery[] {
    return this.#repetitions.list();
  }

  getStats(): QueryOptimizerStats {
    return {
      ...(this.#batcher?.counts ?? NO_BATCHES),
      queries: this.#queries,
      errors: this.#errors,
      slowQueries: this.#slow.total,
      averageLatency: this.#queries === 0 ? 0 : this.#totalTime / this.#queries,
      statements: this.#statistics.list(),
      forgottenShapes: this.#statistics.forgotten,
    };
  }

  /** Runs what is queued and takes no more. The pool stays open: it is its owner's. */
  async close(): Promise<void> {
    await this.#batcher?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
