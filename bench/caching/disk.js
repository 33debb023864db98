// Gets and sets on disk, 10,000 values of 300 bytes: the layer beside a prepared statement on the same kind of file, and
// beside Keyv's SQLite, which asks through the event loop.
import { DiskCacheLayer } from '@tooloo/resilience';
import { KeyvSqlite } from '@keyv/sqlite';
import Keyv from 'keyv';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { microbenchmark } from '../harness.js';

/** The very copy that the layer uses. */
const Database = createRequire(import.meta.resolve('@tooloo/resilience'))('better-sqlite3');

const HOUR = 3_600_000;
const KEYS = Array.from({ length: 10_000 }, (_, i) => `user:${i}`);
const VALUE = { id: 1, name: 'Ada', text: 'x'.repeat(250), roles: ['admin', 'author'] };
const folder = mkdtempSync(join(tmpdir(), 'bench-disk-'));

/** The least code that does the job: a table, two prepared statements, and JSON. */
function statements() {
  const db = new Database(join(folder, 'raw.sqlite'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT, expires_at REAL) WITHOUT ROWID');
  const get = db.prepare('SELECT value, expires_at FROM entries WHERE key = ?').raw();
  const set = db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?)');
  return {
    get(key) {
      const row = get.get(key);
      return row !== undefined && row[1] > Date.now() ? JSON.parse(row[0]) : undefined;
    },
    set: (key, value) => set.run(key, JSON.stringify(value), Date.now() + HOUR),
  };
}

const caches = {
  ours: new DiskCacheLayer({ dbPath: join(folder, 'ours.sqlite'), defaultTTL: HOUR }),
  'prepared statement': statements(),
  'keyv, SQLite': new Keyv({ store: new KeyvSqlite(`sqlite://${join(folder, 'keyv.sqlite')}`), ttl: HOUR }),
};

const BATCH = 100;

function inTurn(name, work) {
  const cache = caches[name];
  let next = 0;
  const key = () => KEYS[(next = (next + 7919) % KEYS.length)];
  // Those that answer at once are not made to wait.
  if (!name.startsWith('keyv')) return (n) => void Array.from({ length: n }, () => work(cache, key()));
  return async (n) => {
    for (let i = 0; i < n; i++) await work(cache, key());
  };
}

async function compare(title, work, least) {
  await microbenchmark({
    title,
    functions: Object.fromEntries(Object.keys(caches).map((name) => [name, inTurn(name, work)])),
    ours: 'ours',
    quietest: true,
    rounds: Number(process.env.ROUNDS ?? 7),
    milliseconds: 300,
    batch: BATCH,
    targets: [{ name: 'ours', of: 'prepared statement', least }],
  });
}

try {
  for (const cache of Object.values(caches)) for (const key of KEYS.slice(0, 10)) await cache.set(key, VALUE);
  for (const [name, cache] of Object.entries(caches)) {
    if ((await cache.get('user:7'))?.text !== VALUE.text) throw new Error(`${name} does not hold what it was given`);
  }
  await compare('Sets on disk', (cache, key) => cache.set(key, VALUE), 0.5);
  let found = 0;
  const get = (cache, key) => {
    const value = cache.get(key);
    if (value !== undefined) found++;
    return value;
  };
  await compare('Gets from disk', get, 0.7);
  if (found === 0) throw new Error('nothing was found: nothing was measured');
} finally {
  rmSync(folder, { recursive: true });
}
process.exit();
