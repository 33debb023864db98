import { randomBytes } from 'node:crypto';
import { ConnectionPool, QueryOptimizer, type QueryAnalysis, type Queryable } from '../../src/database/index.js';
import { LatencyHistogram } from '../../src/database/latency-histogram.js';
import { postgresConnections } from '../../src/postgres.js';
import { installInstrumentation, type Instrumentation } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { describeWith, postgresService } from '../support/services.js';

/** A tracer of which only these parts matter. */
function instrument(parts: Partial<Instrumentation>): void {
  const none = (): undefined => undefined;
  const nothing = {
    startSpan: none,
    inject: none,
    current: none,
    currentWork: none,
    currentRoute: none,
    nameRoute: none,
  };
  installInstrumentation({ ...nothing, bind: (callback) => callback, ...parts });
}

afterEach(() => installInstrumentation(undefined));

let clock: FakeClock;
/** A database whose duration and failures the test sets. */
let database: Queryable & { takes: number; fails: boolean };

beforeEach(() => {
  clock = new FakeClock();
  database = {
    takes: 1,
    fails: false,
    query() {
      clock.tick(this.takes);
      return this.fails ? Promise.reject(new Error('broken')) : Promise.resolve({ rows: [], rowCount: 3 });
    },
  };
});

describe('options', () => {
  test('name what is wrong', () => {
    expect(() => new QueryOptimizer({ batchsize: 3 } as never)).toThrow("did you mean 'batchSize'");
    expect(() => new QueryOptimizer({ batchSize: 0 })).toThrow(RangeError);
    expect(() => new QueryOptimizer({ pool: {} as never })).toThrow('a ConnectionPool');
  });
});

describe('options by their former names', () => {
  test('are understood, and warn once with what to do', () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const former = { enablePreparedStatements: true, batchSize: 5 };
    new QueryOptimizer(former);
    new QueryOptimizer(former);
    const pool = new ConnectionPool({ maxRetries: 3, minConnections: 0 } as never);
    expect(warn.mock.calls).toEqual([
      [
        expect.stringContaining("'enablePreparedStatements'"),
        expect.objectContaining({ code: 'TOOLOO_OPTION_RENAMED' }),
      ],
      [expect.stringContaining("'maxRetries'"), expect.objectContaining({ code: 'TOOLOO_OPTION_RENAMED' })],
    ]);
    expect(former).toEqual({ enablePreparedStatements: true, batchSize: 5 });
    expect(() => new QueryOptimizer({ enablePrepared: true } as never)).toThrow(TypeError);
    warn.mockRestore();
    return pool.close();
  });

  test('queueSize is the number of statements that wait in batches', async () => {
    const pool = new ConnectionPool();
    const optimizer = new QueryOptimizer({ pool });
    const answers = [optimizer.queueQuery('SELECT 1 AS a'), optimizer.queueQuery('SELECT 2 AS b')];
    expect(optimizer.getStats().queueSize).toBe(2);
    await Promise.all(answers);
    expect(optimizer.getStats().queueSize).toBe(0);
    await pool.close();
  });
});

describe('statistics', () => {
  test('are kept a shape', async () => {
    const optimizer = new QueryOptimizer({ clock });
    for (const takes of [1, 2, 3]) {
      database.takes = takes;
      await optimizer.run(database, `SELECT a FROM t WHERE b = ${takes}`);
    }
    database.fails = true;
    await expect(optimizer.run(database, 'SELECT c FROM t')).rejects.toThrow('broken');
    const { statements, ...totals } = optimizer.getStats();
    expect(totals).toMatchObject({ queries: 4, errors: 1, averageLatency: 9 / 4, slowQueries: 0 });
    expect(statements).toEqual([
      {
        fingerprint: 'select a from t where b = ?',
        calls: 3,
        errors: 0,
        totalTime: 6,
        meanTime: 2,
        p95: 3,
        p99: 3,
        maxTime: 3,
        rows: 9,
        isEstimated: false,
      },
      expect.objectContaining({ fingerprint: 'select c from t', calls: 1, errors: 1, rows: 0 }),
    ]);
  });

  test('are bounded: the shapes seen longest ago are forgotten', async () => {
    const optimizer = new QueryOptimizer({ clock, maxShapes: 2 });
    for (const column of ['a', 'b', 'c']) await optimizer.run(database, `SELECT ${column} FROM t`);
    const { statements, forgottenShapes } = optimizer.getStats();
    expect(statements.map(({ fingerprint }) => fingerprint)).toEqual(['select c from t', 'select b from t']);
    expect(forgottenShapes).toBe(1);
  });

  test('percentiles are right to 2.5 %, over seven orders of magnitude', () => {
    const histogram = new LatencyHistogram();
    const values = Array.from({ length: 10_000 }, (_, i) => 0.01 * 1.0015 ** i);
    values.forEach((value) => histogram.record(value));
    for (const quantile of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = values[Math.ceil(quantile * values.length) - 1]!;
      expect(Math.abs(histogram.quantile(quantile) - exact) / exact).toBeLessThan(0.026);
    }
    expect(new LatencyHistogram().quantile(0.5)).toBe(0);
  });
});

describe('slow statements', () => {
  test('are kept, the newest first, up to a number, without values', async () => {
    const onSlowQuery = jest.fn();
    const optimizer = new QueryOptimizer({ clock, slowQueryThreshold: 100, slowQueryLogSize: 2, onSlowQuery });
    instrument({ currentRoute: () => '/api/items', current: () => ({ traceId: 't', spanId: 's', sampled: true }) });
    database.takes = 99;
    await optimizer.run(database, 'SELECT fast FROM t');
    for (const column of ['a', 'b', 'c']) {
      database.takes = 100;
      await optimizer.run(database, `SELECT ${column} FROM t WHERE name = 'secret'`);
    }
    expect(optimizer.getSlowQueries().map(({ fingerprint }) => fingerprint)).toEqual([
      'select c from t where name = ?',
      'select b from t where name = ?',
    ]);
    expect(optimizer.getSlowQueries()[0]).toMatchObject({ duration: 100, rows: 3, route: '/api/items', traceId: 't' });
    expect(optimizer.getStats().slowQueries).toBe(3);
    expect(onSlowQuery).toHaveBeenCalledTimes(3);
  });

  test('get their plan', async () => {
    await using pool = new ConnectionPool();
    const optimizer = new QueryOptimizer({ pool, slowQueryThreshold: 0 });
    await optimizer.query('CREATE TABLE t (a, b)');
    await optimizer.query('SELECT a FROM t WHERE b = ?', [1]);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    await optimizer.query('SELECT a FROM t WHERE b = ?', [2]);
    expect(optimizer.getSlowQueries()[0]).toMatchObject({ plan: ['SCAN t'] });
  });

  test('a listener that throws does not fail the query', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const onSlowQuery = (): never => {
      throw new Error('log full');
    };
    const optimizer = new QueryOptimizer({ clock, slowQueryThreshold: 0, onSlowQuery });
    await optimizer.run(database, 'SELECT 1');
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('log full'), expect.anything());
    warn.mockRestore();
  });
});

describe('tracing', () => {
  test('a statement is a span that records its shape, never its values', async () => {
    const ends: unknown[] = [];
    const startSpan = jest.fn(() => ({
      setAttribute: () => undefined,
      inject: () => undefined,
      end: (e?: unknown) => ends.push(e),
    }));
    instrument({ startSpan: startSpan as never });
    const optimizer = new QueryOptimizer({ clock });
    await optimizer.run(database, "SELECT a FROM t WHERE b = 'secret'", ['secret']);
    expect(startSpan).toHaveBeenCalledWith('db.query', { 'db.query.summary': 'select a from t where b = ?' });
    database.fails = true;
    await optimizer.run(database, 'SELECT 1').catch(() => undefined);
    expect(ends).toEqual([undefined, expect.objectContaining({ message: 'broken' })]);
  });

  test('a statement that one trace sends again and again is found, with the place it comes from', async () => {
    let [traceId, request] = ['first', {}];
    const current = () => ({ traceId, spanId: 's', sampled: true });
    instrument({ current, currentWork: () => request, currentRoute: () => '/api/posts' });
    const optimizer = new QueryOptimizer({ clock });
    async function loadAuthorsOneByOne(): Promise<void> {
      for (let id = 0; id < 12; id++) await optimizer.run(database, 'SELECT name FROM authors WHERE id = ?', [id]);
    }
    for (let id = 0; id < 9; id++) await optimizer.run(database, 'SELECT once FROM t WHERE id = ?', [id]);
    expect(optimizer.getRepeatedQueries()).toEqual([]);
    await loadAuthorsOneByOne();
    [traceId, request] = ['second', {}];
    await loadAuthorsOneByOne();
    expect(optimizer.getRepeatedQueries()).toEqual([
      {
        fingerprint: 'select name from authors where id = ?',
        traceId: 'first',
        route: '/api/posts',
        count: 12,
        location: expect.stringMatching(/loadAuthorsOneByOne.*query-optimizer\.test\.ts:\d+:\d+/),
      },
    ]);
  });

  test('what many requests send once each is not, though they belong to one trace', async () => {
    instrument({ current: () => ({ traceId: 'one', spanId: 's', sampled: true }), currentWork: () => ({}) });
    const optimizer = new QueryOptimizer({ clock });
    for (let request = 0; request < 100; request++) await optimizer.run(database, 'SELECT 1');
    expect(optimizer.getRepeatedQueries()).toEqual([]);
  });
});

describeWith(postgresService, 'PostgreSQL', (url) => {
  const schema = `plan_${randomBytes(6).toString('hex')}`;
  const pool = new ConnectionPool({
    factory: postgresConnections(url, { schema }),
    maxConnections: 2,
    minConnections: 0,
  });
  const optimizer = new QueryOptimizer({ pool });
  const analyse = async (sql: string): Promise<QueryAnalysis> => optimizer.optimizeQuery(sql);

  beforeAll(async () => {
    await optimizer.query('CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)');
    await optimizer.query("INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 5000) AS n");
    await optimizer.query('ANALYZE users');
  });
  afterAll(async () => {
    await optimizer.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.close();
  });

  test('the plan of a statement with parameters is its generic one', async () => {
    const { plan, suggestions } = await analyse('SELECT name FROM users WHERE id = $1');
    expect(plan!.join('\n')).toMatch(/Index Scan using users_pkey on users/);
    expect(plan!.join('\n')).toContain('$1');
    expect(suggestions).toEqual([]);
  });

  test('a search through all of a table is found', async () => {
    const { suggestions } = await analyse('SELECT id FROM users WHERE name = $1');
    expect(suggestions.map(({ rule }) => rule)).toEqual(['full-scan']);
  });

  test('no value is in a plan', async () => {
    const { plan } = await analyse("SELECT id FROM users WHERE name = 'secret' AND length(name) > 4711");
    expect(plan!.join('\n')).toContain('Seq Scan');
    expect(plan!.join('\n')).not.toMatch(/secret|4711/);
  });

  test('leaves the session as it was, also when there is no plan', async () => {
    await analyse('SELECT id FROM users WHERE id = $1 AND name = $2');
    expect((await analyse('SELECT id FROM nowhere WHERE id = $1')).plan).toBeUndefined();
    expect((await analyse('DELETE FROM users WHERE id = $1')).plan!.join()).toContain('Index Scan using users_pkey');
    const { rows } = await optimizer.query(
      'SELECT count(*) AS n, (SELECT count(*) FROM pg_prepared_statements) AS prepared FROM users',
    );
    expect(rows).toEqual([{ n: 5000, prepared: 0 }]);
    expect(pool.getStats().dirtyReturns).toBe(0);
  });
});
