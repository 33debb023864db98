/** A catalogue of statements with what should be found in them; on the good ones nothing may be. */
import fc from '../support/fast-check.js';
import { ConnectionPool, QueryOptimizer, type QueryAnalysis } from '../../src/database/index.js';

const optimizer = new QueryOptimizer();
const rulesOf = (analysis: QueryAnalysis): string[] => analysis.suggestions.map(({ rule }) => rule);
const find = (sql: string): string[] => rulesOf(optimizer.optimizeQuery(sql) as QueryAnalysis);

const BAD: ReadonlyArray<readonly [rule: string, sql: string]> = [
  ['select-star', 'SELECT * FROM users WHERE id = ?'],
  ['select-star', 'SELECT u.* FROM users u WHERE u.id = ?'],
  ['select-star', 'SELECT id FROM a WHERE id = 1 UNION ALL SELECT * FROM b WHERE id = 2'],
  ['select-star', 'SELECT id FROM (SELECT * FROM users) AS u WHERE id = ?'],
  ['missing-limit', 'SELECT id FROM users'],
  ['missing-limit', 'SELECT id FROM users ORDER BY name'],
  ['missing-limit', 'SELECT id FROM users WHERE age > ?'],
  ['leading-wildcard', "SELECT id FROM users WHERE name LIKE '%son' LIMIT 5"],
  ['leading-wildcard', "SELECT id FROM users WHERE name ILIKE '_on%' LIMIT 5"],
  ['function-on-column', 'SELECT id FROM users WHERE lower(email) = ?'],
  ['function-on-column', "SELECT id FROM users WHERE date(created_at) = '2024-01-01'"],
  ['function-on-column', 'SELECT id FROM users WHERE coalesce(a, 0) IN (1, 2)'],
  ['implicit-cross-join', 'SELECT a.id FROM a, b WHERE a.id = ?'],
  ['implicit-cross-join', 'SELECT a.id FROM a JOIN b WHERE a.id = ?'],
  ['implicit-cross-join', 'SELECT a.id FROM a, b, c WHERE a.id = b.id AND a.x = ?'],
  ['implicit-cross-join', 'SELECT a.id FROM a, b'],
  [
    'implicit-cross-join',
    'SELECT a.id FROM a, b WHERE a.x > b.y AND a.z = 1 UNION SELECT a.id FROM a, b WHERE a.id = 1',
  ],
  ['implicit-cross-join', 'SELECT a.id FROM a JOIN b ON a.id = b.a_id, c WHERE b.x = ?'],
  ['implicit-cross-join', 'SELECT a.id FROM s.a x, s.b y WHERE x.id = x.parent'],
  ['missing-where', 'SELECT 1; DELETE FROM users'],
  ['null-comparison', 'SELECT id FROM users WHERE name = NULL'],
  ['null-comparison', 'DELETE FROM users WHERE name <> null'],
  ['not-in-subquery', 'SELECT id FROM a WHERE id NOT IN (SELECT a_id FROM b) AND x = ?'],
  ['unparameterised-literal', "SELECT id FROM users WHERE email = 'ada@example.org'"],
  ['unparameterised-literal', 'SELECT name FROM users WHERE id = 4711'],
  ['offset-paging', 'SELECT id FROM users WHERE a = ? ORDER BY id LIMIT ? OFFSET ?'],
  ['offset-paging', 'SELECT id FROM users WHERE a = ? ORDER BY id LIMIT 10 OFFSET 5000'],
  ['offset-paging', 'SELECT id FROM users WHERE a = ? ORDER BY id LIMIT 5000, 10'],
  ['order-by-random', 'SELECT id FROM users ORDER BY random() LIMIT 1'],
  ['missing-where', 'DELETE FROM users'],
  ['missing-where', 'UPDATE users SET active = 0'],
  ['insert-without-columns', 'INSERT INTO users VALUES (?, ?)'],
  ['insert-without-columns', 'INSERT INTO users SELECT id FROM old WHERE id = ?'],
  ['long-in-list', `SELECT name FROM users WHERE id IN (${Array(101).fill('?').join(', ')})`],
  ['natural-join', 'SELECT a.id FROM a NATURAL JOIN b WHERE a.id = ?'],
];

const GOOD: readonly string[] = [
  'SELECT id, name FROM users WHERE id = ?',
  'SELECT id, name FROM users WHERE id = $1 AND deleted_at IS NULL',
  'SELECT id FROM users WHERE id IN (?, ?, ?)',
  'SELECT id FROM users ORDER BY id LIMIT 20',
  'SELECT id FROM users ORDER BY id FETCH FIRST 20 ROWS ONLY',
  'SELECT id FROM users WHERE id > ? ORDER BY id LIMIT 20',
  'SELECT count(*) FROM users',
  'SELECT max(age) AS oldest FROM users WHERE age > ?',
  'SELECT status, count(*) FROM users GROUP BY status',
  "SELECT id FROM users WHERE status = 'active' LIMIT 10",
  "SELECT id FROM users WHERE name LIKE 'Ada%' LIMIT 10",
  'SELECT id FROM users WHERE name LIKE ? LIMIT 10',
  'SELECT id FROM users WHERE created_at > datetime(?) LIMIT 10',
  'SELECT id FROM users WHERE email = lower(?)',
  'SELECT a.id FROM a JOIN b ON b.a_id = a.id WHERE a.id = ?',
  'SELECT a.id FROM a JOIN b USING (id) WHERE a.id = ?',
  'SELECT a.id FROM a, b WHERE a.id = b.a_id AND a.id = ?',
  'SELECT a.id FROM a CROSS JOIN b WHERE a.id = ? LIMIT 3',
  'SELECT a.id FROM a LEFT JOIN b ON b.a_id = a.id LEFT JOIN c ON c.b_id = b.id WHERE a.id = ?',
  'SELECT id FROM a WHERE EXISTS (SELECT * FROM b WHERE b.a_id = a.id) AND a.x = ?',
  'SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id) AND a.x = ?',
  'SELECT id FROM a WHERE id NOT IN (1, 2) AND x = ?',
  'SELECT id FROM a WHERE x IS NOT DISTINCT FROM ? LIMIT 1',
  'SELECT id FROM a WHERE x BETWEEN ? AND ? AND y = ?',
  'INSERT INTO users (id, name) VALUES (?, ?)',
  'INSERT INTO users (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name',
  'INSERT INTO users (id) VALUES (?) RETURNING id',
  'INSERT INTO users DEFAULT VALUES',
  'INSERT INTO users (id, name) SELECT id, name FROM old WHERE id = ?',
  'UPDATE users SET name = ? WHERE id = ?',
  'UPDATE users SET name = NULL WHERE id = ?',
  'DELETE FROM users WHERE id = ?',
  'DELETE FROM users WHERE id IN (SELECT id FROM old WHERE x = ?)',
  'WITH recent AS (SELECT id FROM posts WHERE author = ? LIMIT 5) SELECT id FROM recent WHERE id = ?',
  'SELECT row_number() OVER (ORDER BY id) FROM users WHERE x = ?',
  'SELECT value FROM json_each(?) WHERE key = ?',
  'SELECT extract(year FROM created_at) FROM users WHERE id = ?',
  'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)',
  'CREATE INDEX by_name ON users (name)',
  'PRAGMA user_version',
  'SELECT 1',
  'BEGIN IMMEDIATE',
  "SELECT '* FROM users WHERE name = NULL' AS text",
  'SELECT id -- SELECT * FROM users\n FROM users WHERE id = ?',
  'SELECT id FROM users WHERE id = ? FOR UPDATE',
  'SELECT id FROM users WHERE score = 5 LIMIT 1',
  'SELECT id FROM (VALUES (1), (2)) AS v (id) WHERE id = ?',
];

test.each(BAD)('%s: %s', (rule, sql) => expect(find(sql)).toContain(rule));

test.each(GOOD)('nothing is wrong with: %s', (sql) => expect(find(sql)).toEqual([]));

test('each finding says what to do, and how bad it is', () => {
  const { suggestions, normalized, plan } = optimizer.optimizeQuery('SELECT * FROM users') as QueryAnalysis;
  expect(normalized).toBe('select * from users');
  expect(plan).toBeUndefined();
  for (const { message, severity } of suggestions) {
    expect(message.length).toBeGreaterThan(30);
    expect(['info', 'warning', 'critical']).toContain(severity);
  }
});

test('ten thousand random statements never throw', () => {
  const word = fc.constantFrom(
    ...'select from where and or not in exists like between is null order by group having limit offset union all'.split(
      ' ',
    ),
    ...'insert into values update set delete join left on using natural cross with as returning conflict distinct'.split(
      ' ',
    ),
    ..."( ) ( ) , . ; = <> < * ? $1 :a 1 4711 'x' '%y' \"q\" a b.c lower( count( random() random( -- /* */ $$ [ ] ::".split(
      ' ',
    ),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), fc.constantFrom(' ', '', '\n'), (words, space) => {
      const { suggestions } = optimizer.optimizeQuery(words.join(space)) as QueryAnalysis;
      return Array.isArray(suggestions);
    }),
    { numRuns: 10_000 },
  );
});

test('deeply nested and very long statements are read in reasonable time', () => {
  const nested = `${'SELECT a FROM ('.repeat(5000)}SELECT 1${')'.repeat(5000)}`;
  const wide = `SELECT ${Array(20_000).fill('lower(a)').join(', ')} FROM t WHERE ${Array(20_000).fill('a = b.c').join(' AND ')}`;
  expect(find(nested)).toEqual([]);
  expect(find(wide)).toEqual([]);
  expect(find(`${'('.repeat(50_000)}SELECT`)).toEqual([]);
});

describe('with a database the plan decides', () => {
  let pool: ConnectionPool;
  let planned: QueryOptimizer;

  beforeAll(async () => {
    pool = new ConnectionPool();
    planned = new QueryOptimizer({ pool });
    for (const sql of [
      'CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, age INTEGER)',
      'CREATE INDEX by_lower_email ON users (lower(email))',
      'CREATE INDEX by_age ON users (age)',
      'CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER, title TEXT)',
    ]) {
      await planned.query(sql);
    }
  });
  afterAll(() => pool.close());

  const analyse = async (sql: string): Promise<QueryAnalysis> => planned.optimizeQuery(sql);

  test('and is shown', async () => {
    const { plan } = await analyse('SELECT name FROM users WHERE id = ?');
    expect(plan).toEqual([expect.stringContaining('SEARCH users USING INTEGER PRIMARY KEY')]);
  });

  test('a search through all of a table is found', async () => {
    expect(rulesOf(await analyse('SELECT id FROM users WHERE name = ?'))).toEqual(['full-scan']);
  });

  test('a covering index is not a table scan, and reading a whole table on purpose causes no warning', async () => {
    expect(rulesOf(await analyse('SELECT age FROM users ORDER BY age LIMIT 5'))).toEqual([]);
    expect(rulesOf(await analyse('SELECT count(*) FROM users'))).toEqual([]);
  });

  test('a sort without an index is found', async () => {
    expect(rulesOf(await analyse('SELECT id FROM users ORDER BY name LIMIT 5'))).toEqual(['sort-without-index']);
    expect(rulesOf(await analyse('SELECT id FROM users ORDER BY age LIMIT 5'))).toEqual([]);
  });

  test('an index made for one statement is found', async () => {
    const analysis = await analyse(
      'SELECT u.id FROM users u JOIN posts p ON p.author = u.age LEFT JOIN posts q ON q.author = p.title WHERE u.id = ?',
    );
    expect(rulesOf(analysis)).toContain('automatic-index');
  });

  test('a suspicion that the plan refutes is dropped', async () => {
    expect(find('SELECT id FROM users WHERE lower(email) = ?')).toEqual(['function-on-column']);
    expect(rulesOf(await analyse('SELECT id FROM users WHERE lower(email) = ?'))).toEqual([]);
    expect(rulesOf(await analyse('SELECT id FROM users WHERE upper(email) = ?'))).toEqual([
      'function-on-column',
      'full-scan',
    ]);
  });

  test('a statement that does not fit the schema is judged by its text', async () => {
    const analysis = await analyse('SELECT * FROM nowhere WHERE id = ?');
    expect(analysis).toEqual({
      normalized: expect.any(String),
      suggestions: [expect.objectContaining({ rule: 'select-star' })],
    });
  });

  test('nothing is run', async () => {
    await planned.query("INSERT INTO users (id, name) VALUES (1, 'Ada')");
    const { plan } = await analyse('DELETE FROM users WHERE id = 1');
    expect(plan).toEqual([expect.stringMatching(/^SEARCH users USING INTEGER PRIMARY KEY/)]);
    const { plan: none } = await analyse('SELECT 1; DELETE FROM users');
    expect(none).toBeUndefined();
    expect((await analyse('DROP TABLE users')).plan).toBeUndefined();
    expect((await planned.query('SELECT id FROM users')).rowCount).toBe(1);
  });
});
