import fc from '../support/fast-check.js';
import { randomBytes } from 'node:crypto';
import { ConnectionPool, QueryOptimizer, type QueryResult, type Row } from '../../src/database/index.js';
import { postgresConnections } from '../../src/postgres.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { describeWith, postgresService } from '../support/services.js';

/** Rows as values: what a native driver makes is of another realm. */
const plain = (rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row }));

interface Place {
  readonly pool: ConnectionPool;
  readonly mark: string;
  readonly end: () => Promise<void>;
}

/** A table with a key of each type, values that differ in case, and rows that share a value. */
async function fill(pool: ConnectionPool): Promise<void> {
  await pool.use(async (connection) => {
    await connection.query('CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)');
    for (const [id, name, age] of [
      [1, 'Ada', 36],
      [2, 'ada', 36],
      [3, 'Béla', null],
      [4, '5', 5],
      [5, null, 36],
    ]) {
      const mark = connection.dialect === 'postgres' ? '$1, $2, $3' : '?, ?, ?';
      await connection.query(`INSERT INTO people VALUES (${mark})`, [id, name, age]);
    }
  });
}

function suite(open: () => Promise<Place>): void {
  let place: Place;
  let optimizer: QueryOptimizer;

  beforeEach(async () => {
    place = await open();
    await fill(place.pool);
    optimizer = new QueryOptimizer({ pool: place.pool, batchSize: 1000 });
  });
  afterEach(async () => {
    await optimizer.close();
    await place.end();
  });

  test('a thousand concurrent lookups are one statement', async () => {
    const sql = `SELECT name FROM people WHERE id = ${place.mark}`;
    const results = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => optimizer.queueQuery<{ name: string }>(sql, [(i % 5) + 1])),
    );
    expect(results.map(({ rows }) => rows[0]!.name).slice(0, 5)).toEqual(['Ada', 'ada', 'Béla', '5', null]);
    expect(optimizer.getStats()).toMatchObject({ queries: 1, batches: 1, queriesBatched: 1000, lookupsMerged: 1000 });
  });

  test('a batch is full at batchSize', async () => {
    const small = new QueryOptimizer({ pool: place.pool });
    const sql = `SELECT name FROM people WHERE id = ${place.mark}`;
    await Promise.all(Array.from({ length: 100 }, (_, i) => small.queueQuery(sql, [i])));
    expect(small.getStats()).toMatchObject({ queries: 10, batches: 10 });
  });

  test('a statement that fails fails its own caller only', async () => {
    const sql = `INSERT INTO people (id) VALUES (${place.mark})`;
    const outcomes = await Promise.allSettled([10, 11, 1, 12].map((id) => optimizer.queueQuery(sql, [id])));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    const { rows } = await optimizer.query('SELECT id FROM people WHERE id >= 10 ORDER BY id');
    expect(plain(rows)).toEqual([{ id: 10 }, { id: 11 }, { id: 12 }]);
  });

  test('writes that succeed are one transaction', async () => {
    const statements: string[] = [];
    const acquire = place.pool.acquire.bind(place.pool);
    jest.spyOn(place.pool, 'acquire').mockImplementation(async () => {
      const connection = await acquire();
      const query = connection.query.bind(connection);
      connection.query = (sql, params) => {
        statements.push(sql);
        return query(sql, params);
      };
      return connection;
    });
    const sql = `UPDATE people SET age = age + 1 WHERE id = ${place.mark}`;
    const results = await Promise.all([1, 2, 99].map((id) => optimizer.queueQuery(sql, [id])));
    expect(results.map(({ rowCount }) => rowCount)).toEqual([1, 1, 0]);
    expect(statements.map((one) => one.split(' ')[0])).toEqual(['BEGIN', 'UPDATE', 'UPDATE', 'UPDATE', 'COMMIT']);
  });

  test('a lookup with a value of the wrong type fails, or finds nothing, as it would alone', async () => {
    const sql = `SELECT name FROM people WHERE id = ${place.mark}`;
    const keys = [1, 'no number', 2];
    const batched = await Promise.allSettled(keys.map((key) => optimizer.queueQuery(sql, [key])));
    const alone: unknown[] = [];
    for (const key of keys) alone.push((await Promise.allSettled([optimizer.query(sql, [key])]))[0].status);
    expect(batched.map(({ status }) => status)).toEqual(alone);
  });

  test('what is queued and then given up does not run', async () => {
    const abort = new AbortController();
    const sql = `DELETE FROM people WHERE id = ${place.mark}`;
    const gone = optimizer.queueQuery(sql, [1], { signal: abort.signal });
    const stays = optimizer.queueQuery(sql, [2]);
    abort.abort(new Error('client gone'));
    await expect(gone).rejects.toThrow('client gone');
    await stays;
    const { rows } = await optimizer.query('SELECT id FROM people WHERE id < 3');
    expect(plain(rows)).toEqual([{ id: 1 }]);
    await expect(optimizer.queueQuery(sql, [3], { signal: abort.signal })).rejects.toThrow('client gone');
  });

  test('gives what unbatched statements give, on random workloads', async () => {
    const { mark } = place;
    const key = fc.oneof(fc.integer({ min: -1, max: 7 }), fc.constant(null));
    const text = fc.constantFrom('Ada', 'ada', 'béla', '5', '', 'O’Neil', "'; DROP TABLE people; --", null);
    const lookup = fc.oneof(
      fc.tuple(fc.constant(`SELECT * FROM people WHERE id = ${mark}`), key),
      fc.tuple(fc.constant(`SELECT p.name AS "the name", p.id FROM people AS p WHERE p.id = ${mark}`), key),
      fc.tuple(fc.constant(`SELECT id FROM people WHERE name = ${mark} ORDER BY id DESC`), text),
      fc.tuple(fc.constant(`SELECT id, name FROM people WHERE age = ${mark} AND id > 1 ORDER BY id`), key),
      fc.tuple(fc.constant(`SELECT COUNT(*) AS n FROM people WHERE age = ${mark}`), key),
      fc.tuple(fc.constant(`SELECT id FROM people WHERE age = ${mark} ORDER BY id LIMIT 1`), key),
      fc.tuple(fc.constant(`SELECT DISTINCT age FROM people WHERE age = ${mark}`), key),
    );
    const unbatched = async ([sql, value]: [string, unknown]): Promise<QueryResult> => optimizer.query(sql, [value]);
    await fc.assert(
      fc.asyncProperty(fc.array(lookup, { minLength: 1, maxLength: 30 }), async (workload) => {
        const batched = await Promise.all(workload.map(([sql, value]) => optimizer.queueQuery(sql, [value])));
        for (const [i, query] of workload.entries()) {
          const alone = await unbatched(query);
          expect({ ...batched[i], rows: plain(batched[i]!.rows) }).toEqual({ ...alone, rows: plain(alone.rows) });
        }
      }),
      { numRuns: 60 },
    );
    expect(optimizer.getStats().lookupsMerged).toBeGreaterThan(0);
  });
}

describe('SQLite', () => {
  const open = (): Promise<Place> => {
    const pool = new ConnectionPool();
    return Promise.resolve({ pool, mark: '?', end: () => pool.close() });
  };
  suite(open);

  test('compares as the column does: its affinity and its collation', async () => {
    await using pool = new ConnectionPool();
    await pool.use(async (one) => {
      await one.query('CREATE TABLE tags (tag TEXT COLLATE NOCASE, number NUMERIC, raw BLOB, plain)');
      await one.query("INSERT INTO tags VALUES ('Node', 1, x'31', '1'), ('1', '1.0', 1, 1)");
    });
    const optimizer = new QueryOptimizer({ pool });
    for (const column of ['tag', 'number', 'raw', 'plain']) {
      const sql = `SELECT rowid FROM tags WHERE ${column} = ? ORDER BY rowid`;
      const keys = ['node', 'NODE', 1, '1', 1.0, '1.0', Buffer.from('1'), 1n, null];
      const batched = await Promise.all(keys.map((key) => optimizer.queueQuery(sql, [key])));
      for (const [i, key] of keys.entries()) {
        expect(plain(batched[i]!.rows)).toEqual(plain((await optimizer.query(sql, [key])).rows));
      }
    }
    expect(optimizer.getStats().lookupsMerged).toBe(36);
  });

  test('a merged lookup uses the index of its key', async () => {
    await using pool = new ConnectionPool();
    await fill(pool);
    const optimizer = new QueryOptimizer({ pool });
    const sql = 'SELECT * FROM people WHERE id = ?';
    await Promise.all([1, 2, 3].map((id) => optimizer.queueQuery(sql, [id])));
    const [merged] = optimizer.getStats().statements;
    const { rows } = await optimizer.query(`EXPLAIN QUERY PLAN ${merged!.fingerprint}`, [0, 1]);
    expect(rows.map(({ detail }) => detail).join('\n')).toContain('SEARCH people USING INTEGER PRIMARY KEY');
  });

  describe('the queue', () => {
    let clock: FakeClock;
    let pool: ConnectionPool;
    beforeEach(async () => {
      clock = new FakeClock();
      pool = new ConnectionPool({ clock });
      await fill(pool);
    });
    afterEach(() => pool.close());

    test('waits for batchTimeout, or for executeBatch', async () => {
      const optimizer = new QueryOptimizer({ pool, clock, batchTimeout: 50 });
      const sql = 'SELECT name FROM people WHERE id = ?';
      const first = optimizer.queueQuery(sql, [1]);
      await clock.advance(49);
      expect(optimizer.getStats().queries).toBe(0);
      await clock.advance(1);
      expect((await first).rowCount).toBe(1);
      const second = optimizer.queueQuery(sql, [1]);
      const third = optimizer.queueQuery('select NAME from people where id=?', [2]);
      expect(await optimizer.executeBatch(optimizer.normalizeQuery(sql))).toBe(2);
      expect((await second).rowCount + (await third).rowCount).toBe(2);
      expect(await optimizer.executeBatch(sql)).toBe(0);
    });

    test('has room for maxQueued', async () => {
      const optimizer = new QueryOptimizer({ pool, maxQueued: 1 });
      const queued = optimizer.queueQuery('SELECT 1');
      await expect(optimizer.queueQuery('SELECT 1')).rejects.toMatchObject({ code: 'QUEUE_FULL' });
      await queued;
      await optimizer.queueQuery('SELECT 1');
    });

    test('runs what waits when closed, and takes no more', async () => {
      const optimizer = new QueryOptimizer({ pool, clock, batchTimeout: 1000 });
      const queued = optimizer.queueQuery('SELECT 1 AS one');
      await optimizer.close();
      await optimizer.close();
      expect((await queued).rowCount).toBe(1);
      await expect(optimizer.queueQuery('SELECT 1')).rejects.toMatchObject({ code: 'POOL_CLOSED' });
      await pool.close();
      expect(clock.pendingTimers).toBe(0);
    });

    test('a pool that has no connection fails those who wait', async () => {
      const optimizer = new QueryOptimizer({ pool });
      const queued = optimizer.queueQuery('SELECT 1');
      await pool.close();
      await expect(queued).rejects.toMatchObject({ code: 'POOL_CLOSED' });
    });

    test('batching requires a pool', async () => {
      const optimizer = new QueryOptimizer();
      await expect(optimizer.queueQuery('SELECT 1')).rejects.toMatchObject({ code: 'NOT_CONFIGURED' });
      await expect(optimizer.query('SELECT 1')).rejects.toMatchObject({ code: 'NOT_CONFIGURED' });
      expect(await optimizer.executeBatch('SELECT 1')).toBe(0);
    });
  });
});

describeWith(postgresService, 'PostgreSQL', (url) => {
  suite(async () => {
    const schema = `batch_${randomBytes(6).toString('hex')}`;
    const pool = new ConnectionPool({ factory: postgresConnections(url, { schema }), maxConnections: 4 });
    const end = async (): Promise<void> => {
      await pool.use((connection) => connection.query(`DROP SCHEMA ${schema} CASCADE`));
      await pool.close();
    };
    return { pool, mark: '$1', end };
  });
});
