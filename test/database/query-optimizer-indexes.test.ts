import { randomBytes } from 'node:crypto';
import { ConnectionPool, QueryOptimizer } from '../../src/database/index.js';
import { indexCandidates } from '../../src/database/index-candidates.js';
import { postgresConnections } from '../../src/postgres.js';
import { describeWith, postgresService } from '../support/services.js';

describe('candidates', () => {
  const candidates = (sql: string): string[] =>
    indexCandidates(sql).map(({ table, columns }) => `${table} (${columns.join(', ')})`);

  test.each([
    ['SELECT id FROM t WHERE a = ?', ['t (a)']],
    ['SELECT id FROM t WHERE ? = a', ['t (a)']],
    ['SELECT id FROM t WHERE a = ? AND b IN (?, ?) AND c IS NULL', ['t (a, b, c)']],
    ['SELECT id FROM t WHERE a = ? AND b > ?', ['t (a)', 't (a, b)']],
    ['SELECT id FROM t WHERE a BETWEEN ? AND ? AND b = ?', ['t (b)', 't (b, a)']],
    ['SELECT id FROM t WHERE a = ? ORDER BY b DESC, c LIMIT 5', ['t (a)', 't (a, b, c)']],
    ['SELECT id FROM t ORDER BY b LIMIT 5', ['t (b)']],
    ['SELECT x.id FROM t AS x JOIN u y ON y.t_id = x.id WHERE x.a = ?', ['t (a, id)', 'u (t_id)']],
    ['UPDATE t SET a = ? WHERE b = ?', ['t (b)']],
    ['DELETE FROM s.t WHERE b = ?', ['s.t (b)']],
    ['SELECT id FROM t WHERE a = ? OR b = ?', []],
    ['SELECT id FROM t WHERE lower(a) = ?', []],
    ['SELECT id FROM t, u WHERE a = ?', []],
    ['SELECT 1', []],
  ])('%s', (sql, expected) => {
    expect(candidates(sql).sort()).toEqual([...expected].sort());
  });
});

describe('SQLite', () => {
  let pool: ConnectionPool;
  let optimizer: QueryOptimizer;

  beforeAll(async () => {
    pool = new ConnectionPool();
    optimizer = new QueryOptimizer({ pool });
    for (const sql of [
      'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, city TEXT, age INTEGER)',
      'CREATE INDEX users_city ON users (city)',
      'CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER, at TEXT)',
      'CREATE VIEW grown_up AS SELECT * FROM users WHERE age >= 18',
    ]) {
      await optimizer.query(sql);
    }
  });
  afterAll(() => pool.close());

  test('suggests what turns a scan into a search, and proves it', async () => {
    expect(await optimizer.suggestIndex('SELECT id FROM users WHERE name = ?')).toEqual({
      table: 'users',
      columns: ['name'],
      sql: 'CREATE INDEX users_name_idx ON users (name)',
      before: ['SCAN users'],
      after: ['SEARCH users USING COVERING INDEX users_name_idx (name=?)'],
    });
  });

  test('suggests what spares the sort too', async () => {
    const suggestion = await optimizer.suggestIndex(
      'SELECT id FROM posts WHERE author = :author ORDER BY at DESC LIMIT 10',
    );
    expect(suggestion).toMatchObject({ sql: 'CREATE INDEX posts_author_at_idx ON posts (author, at)' });
    expect(suggestion!.after.join()).not.toContain('TEMP B-TREE');
  });

  test('suggests nothing where there is an index, or none would help', async () => {
    expect(await optimizer.suggestIndex('SELECT name FROM users WHERE id = ?')).toBeUndefined();
    expect(await optimizer.suggestIndex('SELECT name FROM users WHERE city = ?')).toBeUndefined();
    expect(await optimizer.suggestIndex('SELECT name FROM users')).toBeUndefined();
    expect(await optimizer.suggestIndex('SELECT name FROM users WHERE lower(name) = ?')).toBeUndefined();
  });

  test('creates nothing in the database itself', async () => {
    const { rows } = await optimizer.query("SELECT name FROM sqlite_schema WHERE type = 'index'");
    expect(rows.map(({ name }) => name)).toEqual(['users_city']);
    expect(pool.getStats()).toMatchObject({ dirtyReturns: 0, activeCount: 0 });
  });

  test('plans with what ANALYZE knows: an index of no use is not suggested a second time', async () => {
    await using analysed = new ConnectionPool();
    const other = new QueryOptimizer({ pool: analysed });
    await other.query('CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, city TEXT)');
    await other.query('CREATE INDEX users_city ON users (city, name)');
    await other.query("INSERT INTO users (name, city) VALUES ('a', 'x'), ('b', 'x'), ('c', 'x')");
    await other.query('ANALYZE');
    const { plan } = await other.optimizeQuery('SELECT id, city FROM users WHERE "City" = ?');
    expect(plan).toEqual(['SEARCH users USING COVERING INDEX users_city (city=?)']);
    expect(await other.suggestIndex('SELECT * FROM users WHERE "City" = ?')).toBeUndefined();
    expect(await other.suggestIndex('SELECT id FROM users WHERE name = ?')).toMatchObject({ columns: ['name'] });
  });

  test('a statement that is wrong is an error', async () => {
    await expect(optimizer.suggestIndex('SELECT id FROM nowhere WHERE a = ?')).rejects.toThrow('nowhere');
    await expect(new QueryOptimizer().suggestIndex('SELECT 1')).rejects.toMatchObject({ code: 'NOT_CONFIGURED' });
  });
});

describeWith(postgresService, 'PostgreSQL', (url) => {
  const schema = `index_${randomBytes(6).toString('hex')}`;
  const pool = new ConnectionPool({
    factory: postgresConnections(url, { schema }),
    maxConnections: 1,
    minConnections: 0,
  });
  const optimizer = new QueryOptimizer({ pool });

  beforeAll(async () => {
    await optimizer.query(
      'CREATE TABLE users (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT, age INTEGER)',
    );
    await optimizer.query(
      "INSERT INTO users (name, age) SELECT 'name ' || n, n % 90 FROM generate_series(1, 5000) AS n",
    );
  });
  afterAll(async () => {
    await optimizer.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.close();
  });

  test('suggests what makes the plan cheaper, and proves it', async () => {
    const suggestion = await optimizer.suggestIndex('SELECT id FROM users WHERE name = $1 AND age > $2');
    expect(suggestion).toMatchObject({ sql: 'CREATE INDEX users_name_idx ON users (name)' });
    expect(suggestion!.before.join()).toContain('Seq Scan on users');
    expect(suggestion!.after.join()).toContain('users_name_idx');
  });

  test('suggests nothing where there is an index', async () => {
    expect(await optimizer.suggestIndex('SELECT name FROM users WHERE id = $1')).toBeUndefined();
  });

  test('leaves nothing behind, also when the statement is wrong', async () => {
    await expect(optimizer.suggestIndex('SELECT wrong FROM users WHERE name = $1')).rejects.toThrow('wrong');
    const { rows } = await optimizer.query(
      `SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared, count(*) AS indexes
       FROM pg_indexes WHERE schemaname = $1`,
      [schema],
    );
    expect(rows).toEqual([{ prepared: 0, indexes: 1 }]);
    expect((await optimizer.query('SELECT count(*) AS n FROM users')).rows).toEqual([{ n: 5000 }]);
    expect(pool.getStats()).toMatchObject({ dirtyReturns: 0, created: 1 });
  });
});
