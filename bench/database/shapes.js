// Compares the time to find the shape of a statement with the time that SQLite needs for the statement. Texts either repeat,
// as those of prepared statements do, or each has other literals. The optimizer reads as many of the texts as its budget
// allows, so the share is that of the texts that it reads, and of a lookup for each of the others.
import { QueryOptimizer } from '@tooloo/resilience';
import { createRequire } from 'node:module';
import { machine, spread } from '../harness.js';
import { judgeMost, publish } from '../report.js';

// The version that the kit itself is tested with.
const Database = createRequire(import.meta.resolve('@tooloo/resilience'))('better-sqlite3');

const ROUNDS = Number(process.env.ROUNDS ?? 7);
/** Statements of each kind in a round. */
const STATEMENTS = 1_000;
const BATCH = 20;
const MOST = 0.02;
const COLUMNS = 20;

const database = new Database(':memory:');
const columns = Array.from({ length: COLUMNS }, (_, i) => `column_${String.fromCharCode(97 + i)}`);
database.exec(`
  CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, status TEXT, total REAL, created_at TEXT);
  CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
  CREATE TABLE wide (${columns.join(', ')});
`);
const addOrder = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?, ?)');
const addCustomer = database.prepare('INSERT INTO customers VALUES (?, ?, ?)');
database.transaction(() => {
  for (let i = 0; i < 1000; i++) addOrder.run(i, i % 100, i % 3 === 0 ? 'paid' : 'open', i / 7, '2026-01-01');
  for (let i = 0; i < 100; i++) addCustomer.run(i, `customer ${i}`, `region ${i % 5}`);
})();

/** A report of about 3 KB: twelve conditional sums over a join, in groups. */
function report(number) {
  const sum = (month) =>
    `    sum(CASE WHEN o.status = 'paid' AND strftime('%m', o.created_at) = '${month}' THEN o.total * 100 ELSE 0 END) AS revenue_of_month_${month},
    count(CASE WHEN o.status = 'paid' AND strftime('%m', o.created_at) = '${month}' THEN o.id END) AS orders_of_month_${month}`;
  return `SELECT c.region AS region_of_the_customer,
    count(DISTINCT o.customer_id) AS number_of_customers,
${Array.from({ length: 12 }, (_, i) => sum(String(i + 1).padStart(2, '0'))).join(',\n')}
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
WHERE o.customer_id = ${number % 100} AND o.created_at >= '2026-01-01' AND o.id > ${number % 1000}
GROUP BY c.region
ORDER BY c.region
LIMIT 10`;
}

const list = (length, number) => Array.from({ length }, (_, i) => (number * 31 + i * 7) % 100_000).join(', ');
const row = (number) => columns.map((_, i) => (i % 2 === 0 ? number + i : `'value ${number} of ${i}'`)).join(', ');
const wide = (rows) => `INSERT INTO wide (${columns.join(', ')}) VALUES ${rows}`;

/** By name: the text with the literals of a number, and the text and parameters where the values are parameters. */
const kinds = {
  'SELECT by key': {
    text: (n) => `SELECT id, status, total FROM orders WHERE id = ${n}`,
    prepared: ['SELECT id, status, total FROM orders WHERE id = ?', (n) => [n % 1000]],
  },
  'SELECT with a list of 20': {
    text: (n) => `SELECT id, status, total FROM orders WHERE id IN (${list(20, n)})`,
    prepared: [
      `SELECT id, status, total FROM orders WHERE id IN (${Array(20).fill('?').join(', ')})`,
      (n) => Array.from({ length: 20 }, (_, i) => n + i),
    ],
  },
  'SELECT with a list of 200': {
    text: (n) => `SELECT id, status, total FROM orders WHERE id IN (${list(200, n)})`,
    prepared: [
      `SELECT id, status, total FROM orders WHERE id IN (${Array(200).fill('?').join(', ')})`,
      (n) => Array.from({ length: 200 }, (_, i) => n + i),
    ],
  },
  'INSERT of 20 columns': {
    text: (n) => wide(`(${row(n)})`),
    prepared: [wide(`(${Array(COLUMNS).fill('?').join(', ')})`), (n) => columns.map((_, i) => n + i)],
  },
  'INSERT of 20 columns, 50 rows': {
    text: (n) => wide(Array.from({ length: 50 }, (_, i) => `(${row(n + i)})`).join(', ')),
    prepared: [
      wide(Array.from({ length: 50 }, () => `(${Array(COLUMNS).fill('?').join(', ')})`).join(', ')),
      (n) => Array.from({ length: 50 * COLUMNS }, (_, i) => n + i),
    ],
  },
  'report of 3 KB': {
    text: report,
    prepared: [report(1).replace('o.customer_id = 1 ', 'o.customer_id = ? '), (n) => [n % 100]],
  },
};

/** A text as it comes out of a query builder: flat, not yet hashed by the engine. */
const fresh = (text) => Buffer.from(text, 'latin1').toString('latin1');

const run = (statement, params) => (statement.reader ? statement.all(...params) : statement.run(...params));

/** Microseconds for each of the inputs, in the fastest tenth of the batches: those in which nothing else had the processor. */
function microseconds(inputs, work) {
  const batches = [];
  for (let at = 0; at < inputs.length; at += BATCH) {
    const end = at + BATCH;
    const began = performance.now();
    for (let i = at; i < end; i++) work(inputs[i]);
    batches.push((1000 * (performance.now() - began)) / BATCH);
  }
  batches.sort((a, b) => a - b);
  const fastest = batches.slice(0, batches.length / 10);
  return fastest.reduce((sum, one) => sum + one, 0) / fastest.length;
}

let number = 0;
const numbers = () => Array.from({ length: STATEMENTS }, () => ++number);

/** Runs the statements under an optimizer; returns the share of the texts that it read. */
async function shareRead(optimizer, texts) {
  const connection = {
    query(sql) {
      run(database.prepare(sql), []);
      return Promise.resolve({ rows: [], rowCount: 0 });
    },
  };
  const before = optimizer.getStats().unreadStatements;
  for (const sql of texts) await optimizer.run(connection, sql);
  return 1 - (optimizer.getStats().unreadStatements - before) / texts.length;
}

async function differing(optimizer, { text }) {
  const some = () => numbers().map((n) => fresh(text(n)));
  const texts = some();
  return {
    shape: microseconds(texts, (sql) => optimizer.normalizeQuery(sql)),
    sqlite: microseconds(texts, (sql) => run(database.prepare(sql), [])),
    lookup: microseconds(texts, () => optimizer.normalizeQuery(KNOWN)),
    read: await shareRead(optimizer, some()),
    length: texts[0].length,
  };
}

function repeated(optimizer, { prepared: [sql, paramsOf] }) {
  const params = numbers().map(paramsOf);
  const statement = database.prepare(sql);
  return {
    shape: microseconds(params, () => optimizer.normalizeQuery(sql)),
    sqlite: microseconds(params, (values) => run(statement, values)),
    lookup: 0,
    read: 1,
    length: sql.length,
  };
}

/** A text that every optimizer knows after its first round. */
const KNOWN = kinds['SELECT by key'].prepared[0];

/** A kind with an optimizer of its own, so that the time of other kinds does not pay for its texts. */
function rowOf(name, measure) {
  const optimizer = new QueryOptimizer();
  return { name, measure: () => measure(optimizer), samples: [] };
}

const rows = Object.entries(kinds).flatMap(([name, kind]) => [
  rowOf(`${name}, prepared`, (optimizer) => repeated(optimizer, kind)),
  rowOf(`${name}, literals`, (optimizer) => differing(optimizer, kind)),
]);
const shareOf = ({ shape, sqlite, lookup, read }) => (read * shape + (1 - read) * lookup) / sqlite;
for (let round = -2; round < ROUNDS; round++) {
  for (const { measure, samples } of rows) {
    const sample = await measure();
    if (round >= 0) samples.push(sample);
    database.exec('DELETE FROM wide');
  }
}

const percent = (share) => `${(100 * share).toFixed(2)} %`;
publish({
  title: 'The shape of a statement, to the time of the statement in SQLite',
  settings: `${ROUNDS} rounds of ${STATEMENTS} statements of each kind, in memory; ${machine()}`,
  columns: ['statement', 'characters', 'SQLite µs', 'shape µs', 'texts read', 'share'],
  rows: rows.map(({ name, samples }) => {
    const of = (key) => spread(samples.map((sample) => sample[key])).median;
    const share = spread(samples.map(shareOf)).median;
    const length = of('length').toLocaleString('en');
    const read = `${Math.round(100 * of('read'))} %`;
    return { name, cells: [name, length, of('sqlite').toFixed(1), of('shape').toFixed(3), read, percent(share)] };
  }),
  targets: rows.map(({ name, samples }) => judgeMost({ what: name, most: MOST }, samples.map(shareOf))),
});
database.close();
