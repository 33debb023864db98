/** Watches every statement, batches those of one shape, and reports problems. */
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import {
  currentRoute,
  currentTrace,
  currentWork,
  startSpan,
  type Attributes,
  type RecordedSpan,
} from '../shared/instrumentation.js';
import { findAntiPatterns, type Suggestion, type Suspicion } from './anti-patterns.js';
import type { ConnectionPool } from './connection-pool.js';
import type { Queryable, QueryResult, Row } from './connection.js';
import { adviseIndex, type IndexSuggestion } from './index-advisor.js';
import type { AcquireOptions } from './pool-calls.js';
import { QueryBatcher, type BatchCounts } from './query-batcher.js';
import { resolveOptimizerOptions, type QueryOptimizerOptions } from './query-optimizer-options.js';
import { explain, type QueryPlan } from './query-plan.js';
import { StatisticsTable, type QueryStatistics } from './query-statistics.js';
import { RepetitionWatch, type RepeatedQuery } from './repetition-watch.js';
import { SlowQueryLog, type SlowQuery } from './slow-query-log.js';
import { WatchedShapes, type Watched } from './watched-shapes.js';

/** The statistics of all statements. */
export interface QueryOptimizerStats extends BatchCounts {
  /** Statements run. */
  readonly queries: number;
  /** Statements that wait in a batch. */
  readonly queueSize: number;
  readonly errors: number;
  readonly slowQueries: number;
  /** Milliseconds. */
  readonly averageLatency: number;
  /** Each statement shape, the most expensive in total first. Shapes hold no values. */
  readonly statements: readonly QueryStatistics[];
  /** Shapes forgotten because there were more than `maxShapes`. */
  readonly forgottenShapes: number;
  /** Statements whose text was not read, because of `shapeBudget`. The counts of `statements` are then estimates. */
  readonly unreadStatements: number;
}

/** A judgement of one statement. */
export interface QueryAnalysis {
  /** The statement's shape, without its values. */
  readonly normalized: string;
  readonly suggestions: readonly Suggestion[];
  /** The database's plan, a line a step. */
  readonly plan?: readonly string[];
}

/** Milliseconds to wait for a connection to get a plan, because advice must not delay other callers for long. */
const PLAN_TIMEOUT = 1000;

const NO_BATCHES: BatchCounts = { batches: 0, queriesBatched: 0, lookupsMerged: 0 };

function noPool(): ResilienceError {
  return new ResilienceError('NOT_CONFIGURED', 'QueryOptimizer: running statements needs the option pool');
}

/** Whether the trace of now is recorded in any case, so that each statement's span needs its shape. */
const isTraced = (): boolean => currentTrace()?.sampled === true;

const summaryOf = ({ shape }: Watched): Attributes | undefined =>
  shape === undefined ? undefined : { 'db.query.summary': shape };

/** Adds the shape of a statement whose text was read only because it took long. */
function complete(span: RecordedSpan, begun: Watched, { shape }: Watched): void {
  if (begun.shape === undefined && shape !== undefined) span.setAttribute('db.query.summary', shape);
}

/** The text's judgement, corrected and completed by what the database would really do. */
function confirm(normalized: string, suspicions: readonly Suspicion[], plan: QueryPlan): QueryAnalysis {
  const isScanned = plan.scannedTables.length > 0;
  const confirmed = suspicions.filter(({ needsScan }) => isScanned || !needsScan);
  const suggestions = [...confirmed.map(({ suggestion }) => suggestion), ...plan.findings];
  return { normalized, suggestions, plan: plan.steps };
}

/**
 * An optimizer over a pool. `run` watches a statement on the caller's connection, `query` takes a connection from the
 * pool. `queueQuery` batches statements. `optimizeQuery` analyses a statement without running it.
 *
 * @example
 * import { QueryOptimizer } from '@tooloo/resilience';
 *
 * const queries = new QueryOptimizer({ pool, slowQueryThreshold: 200 });
 * await queries.query('SELECT * FROM orders WHERE customer = ?', [42]);
 * console.log(await queries.suggestIndex('SELECT * FROM orders WHERE customer = ?'), queries.getSlowQueries());
 */
export class QueryOptimizer {
  readonly #clock: Clock;
  readonly #pool: ConnectionPool | undefined;
  readonly #batcher: QueryBatcher | undefined;
  readonly #statistics: StatisticsTable;
  readonly #slowQueryThreshold: number;
  readonly #slow: SlowQueryLog;
  readonly #repetitions: RepetitionWatch;
  readonly #shapes: WatchedShapes;
  #queries = 0;
  #errors = 0;
  #totalTime = 0;

  constructor(options?: QueryOptimizerOptions) {
    const settings = resolveOptimizerOptions(options);
    const { pool, slowQueryLogSize, onSlowQuery } = settings;
    this.#clock = settings.clock;
    this.#pool = pool;
    this.#shapes = new WatchedShapes({ share: settings.shapeBudget, clock: settings.clock });
    this.#statistics = new StatisticsTable(settings.maxShapes);
    this.#slowQueryThreshold = settings.slowQueryThreshold;
    this.#slow = new SlowQueryLog(slowQueryLogSize, async (sql) => (await this.#plan(sql))?.steps, onSlowQuery);
    this.#repetitions = new RepetitionWatch(settings.repetitionThreshold);
    if (pool !== undefined) {
      const run = (connection: Queryable, sql: string, params: readonly unknown[]): Promise<QueryResult> =>
        this.#runWatched(connection, sql, params, this.#shapes.begin(sql, isTraced()));
      this.#batcher = new QueryBatcher({ ...settings, pool, run });
    }
  }

  /** Runs a statement on this connection and watches it: a span, statistics, the slow-query log. */
  run<R = Row>(connection: Queryable, sql: string, params?: readonly unknown[]): Promise<QueryResult<R>> {
    const watched = this.#shapes.begin(sql, isTraced());
    const request = currentWork();
    if (request !== undefined && watched.shape !== undefined) this.#repetitions.count(request, watched.shape);
    return this.#runWatched<R>(connection, sql, params, watched);
  }

  /** A batched statement is not counted as N+1, so it skips that count. */
  async #runWatched<R = Row>(
    connection: Queryable,
    sql: string,
    params: readonly unknown[] | undefined,
    begun: Watched,
  ): Promise<QueryResult<R>> {
    const span = startSpan('db.query', summaryOf(begun));
    const start = this.#clock.now();
    try {
      const result = await connection.query<R>(sql, params);
      const watched = this.#observe(sql, begun, this.#clock.now() - start, result.rowCount, false);
      if (span !== undefined) complete(span, begun, watched);
      span?.end();
      return result;
    } catch (error) {
      const watched = this.#observe(sql, begun, this.#clock.now() - start, 0, true);
      if (span !== undefined) complete(span, begun, watched);
      span?.end(error);
      throw error;
    }
  }

  #observe(sql: string, begun: Watched, duration: number, rows: number, isError: boolean): Watched {
    this.#queries++;
    this.#totalTime += duration;
    if (isError) this.#errors++;
    const watched = this.#shapes.end(sql, begun, duration);
    const { shape, times } = watched;
    if (shape !== undefined) this.#statistics.record(shape, duration, rows, isError, times);
    if (duration < this.#slowQueryThreshold) return watched;
    const [route, traceId] = [currentRoute(), currentTrace()?.traceId];
    this.#slow.add({ fingerprint: shape ?? this.normalizeQuery(sql), duration, rows, route, traceId }, sql);
    return watched;
  }

  /** Runs a statement on a connection of the pool, watched. Not batched. */
  query<R = Row>(sql: string, params?: readonly unknown[], options?: AcquireOptions): Promise<QueryResult<R>> {
    if (this.#pool === undefined) return Promise.reject(noPool());
    return this.#pool.use((connection) => this.run<R>(connection, sql, params), options);
  }

  /**
   * Runs a statement together with others of its shape that are queued at the same time: lookups by one key become one
   * statement, writes one transaction. Its result or error is the same as without batching. Statements of different
   * shapes may run in a different order than they were queued.
   *
   * @param options `signal` cancels: a statement that is still queued does not run
   * @throws ResilienceError NOT_CONFIGURED without a pool, QUEUE_FULL when `maxQueued` wait, and the errors of
   * `acquire`
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
   * @param queryKey the statement, or its shape as `normalizeQuery` returns it
   * @returns the number of its statements, when all of them have settled
   */
  executeBatch(queryKey: string): Promise<number> {
    if (this.#batcher === undefined) return Promise.resolve(0);
    // The shape of a long statement ends with a hash, and is not its own shape.
    return this.#batcher.flush(this.#batcher.has(queryKey) ? queryKey : this.normalizeQuery(queryKey));
  }

  /** The statement's shape: its values as `?`, so that it can be shown and counted. */
  normalizeQuery(sql: string): string {
    return this.#shapes.of(sql);
  }

  /**
   * Analyses a statement without running it: the problems that its text shows, confirmed and completed by the
   * database's plan.
   *
   * @returns at once without a pool, a promise with one; without a plan from the database, only the analysis of the
   * text
   */
  optimizeQuery(sql: string): QueryAnalysis | Promise<QueryAnalysis> {
    const normalized = this.normalizeQuery(sql);
    const suspicions = findAntiPatterns(sql);
    const textOnly: QueryAnalysis = { normalized, suggestions: suspicions.map(({ suggestion }) => suggestion) };
    if (this.#pool === undefined) return textOnly;
    return this.#plan(sql).then((plan) => (plan === undefined ? textOnly : confirm(normalized, suspicions, plan)));
  }

  /**
   * The index that would help a statement most, if one would. Each candidate is created on a copy: the schema on
   * SQLite, a sample of the rows on PostgreSQL. It is suggested only if the database makes a better plan with it. The
   * database itself is not changed. The work uses a connection for some milliseconds to seconds.
   *
   * @throws ResilienceError NOT_CONFIGURED without a pool; the database's error if the statement is wrong
   */
  suggestIndex(sql: string): Promise<IndexSuggestion | undefined> {
    if (this.#pool === undefined) return Promise.reject(noPool());
    return this.#pool.use((connection) => adviseIndex(connection, sql));
  }

  /** The plan, or undefined if there is no connection or the statement does not fit the schema. */
  async #plan(sql: string): Promise<QueryPlan | undefined> {
    try {
      return await this.#pool?.use((connection) => explain(connection, sql), { timeout: PLAN_TIMEOUT });
    } catch {
      return undefined;
    }
  }

  /** The recent slow statements, newest first; each with its plan once the database has returned it. */
  getSlowQueries(): readonly SlowQuery[] {
    return this.#slow.list();
  }

  /** Statements that single requests (or other traced work) sent again and again (N+1), the worst first, one entry a route and shape. */
  getRepeatedQueries(): readonly RepeatedQuery[] {
    return this.#repetitions.list();
  }

  getStats(): QueryOptimizerStats {
    return {
      ...(this.#batcher?.counts ?? NO_BATCHES),
      queries: this.#queries,
      queueSize: this.#batcher?.queued ?? 0,
      errors: this.#errors,
      slowQueries: this.#slow.total,
      averageLatency: this.#queries === 0 ? 0 : this.#totalTime / this.#queries,
      statements: this.#statistics.list(),
      forgottenShapes: this.#statistics.forgotten,
      unreadStatements: this.#shapes.unread,
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
