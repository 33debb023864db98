// Measures how long a server's query takes, which reads one session of the training service by its number. Compares a
// new connection per query, Kysely on the drivers, and Kysely on the kit's pool and optimizer, as the servers use it.
// The last one is also measured behind a cache.
import { MultiLayerCacheManager, sqliteConnections } from '@tooloo/resilience';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';
import { machine, shuffled, spread } from '../harness.js';
import { judge, publish } from '../report.js';
import { importTypescript } from '../typescript.js';

const SESSIONS = 200;
const CALLERS = 20;
const CONNECTIONS = 5; // as many as a server opens
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const MILLISECONDS = 300;
const SCHEMA = 'bench_queries';
const URL_OF_POSTGRES = process.env.DATABASE_URL ?? 'postgres://root@127.0.0.1:5432/test';

const { openDatabase, sessionStore, trainingMigrations, trainingSettings } = await importTypescript(
  'servers/support/database.ts',
  'servers/training/migrations.ts',
  'servers/training/session-store.ts',
  'servers/training/settings.ts',
);

async function fill(db) {
  const settings = trainingSettings.parse({});
  for (let i = 0; i < SESSIONS; i++) {
    await sessionStore(db).start({ learner: `learner ${i % 20}`, topics: ['sums', 'fractions'], settings }, i);
  }
}

/** Latencies in microseconds while as many callers as there are ask again and again. */
async function latencies(read) {
  const found = [];
  const end = performance.now() + MILLISECONDS;
  const caller = async (number) => {
    for (let i = number; performance.now() < end; i += CALLERS) {
      const began = performance.now();
      await read((i % SESSIONS) + 1);
      found.push(1000 * (performance.now() - began));
      await nextTurn(); // requests arrive by turns of the event loop
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)));
  return found;
}

async function compare(title, reads) {
  const names = Object.keys(reads);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await latencies(reads[name]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of shuffled(names)) {
      const sorted = (await latencies(reads[name])).sort((a, b) => a - b);
      const mean = sorted.reduce((sum, one) => sum + one, 0) / sorted.length;
      samples[name].push({ mean, p99: sorted[Math.floor(sorted.length * 0.99)] });
    }
  }
  const change = (name, than) => {
    const { median } = spread(samples[name].map(({ mean }, round) => mean / samples[than][round].mean - 1));
    const percent = 100 * median;
    return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(Math.abs(percent) > 90 ? 1 : 0)} %`;
  };
  const speeds = Object.fromEntries(names.map((name) => [name, samples[name].map(({ mean }) => 1 / mean)]));
  publish({
    title: `A query of a server, ${title}`,
    settings: `${CALLERS} callers, ${CONNECTIONS} connections, ${ROUNDS} interleaved rounds of ${MILLISECONDS} ms; ${machine()}`,
    columns: ['', 'mean µs', 'p99 µs', `to ${names[0]}`, `to ${names[1]}`],
    rows: names.map((name) => {
      const of = (key) => spread(samples[name].map((sample) => sample[key])).median.toFixed(1);
      const changes = [names[0], names[1]].map((than) => (name === than ? '' : change(name, than)));
      return { name, cells: [name, of('mean'), of('p99'), ...changes] };
    }),
    targets: [
      judge({ name: 'the layer and a cache', of: names[0], least: 2.5, what: '60 % less with pool and cache' }, speeds),
    ],
  });
}

/** The reads compared, of which the first two are the driver's own ways. */
function reads(opening, driver, layered, cache) {
  const [alone, above] = [sessionStore(driver), sessionStore(layered)];
  return {
    'a connection for each': opening,
    'the driver': (id) => alone.get(id),
    'the layer': (id) => above.get(id),
    'the layer and a cache': (id) => cache.getOrSet(`session:${id}`, () => above.get(id), { ttl: 60_000 }),
  };
}

async function onSqlite(cache) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const path = join(folder, 'training.sqlite');
  const database = await openDatabase({ path, migrations: trainingMigrations });
  const open = () => sqliteConnections(path).create(AbortSignal.timeout(10_000));
  const driver = await open();
  const opening = async (id) => {
    const connection = await open();
    await sessionStore(new Kysely({ dialect: new SqliteDialect({ database: connection.database }) })).get(id);
    connection.close();
  };
  try {
    await fill(database.db);
    const alone = new Kysely({ dialect: new SqliteDialect({ database: driver.database }) });
    await compare('SQLite', reads(opening, alone, database.db, cache));
  } finally {
    driver.close();
    await database.close();
    rmSync(folder, { recursive: true });
  }
}

async function onPostgres(cache) {
  const config = { connectionString: URL_OF_POSTGRES, options: `-c search_path=${SCHEMA}` };
  const database = await openDatabase({ url: URL_OF_POSTGRES, schema: SCHEMA, migrations: trainingMigrations });
  const kysely = (max) => new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ ...config, max }) }) });
  const driver = kysely(CONNECTIONS);
  const opening = async (id) => {
    const db = kysely(1);
    await sessionStore(db).get(id);
    await db.destroy();
  };
  try {
    await fill(database.db);
    await compare('PostgreSQL', reads(opening, driver, database.db, cache));
  } finally {
    await database.pool.use((connection) => connection.query(`DROP SCHEMA ${SCHEMA} CASCADE`));
    await driver.destroy();
    await database.close();
  }
}

for (const run of [onSqlite, onPostgres]) {
  const cache = new MultiLayerCacheManager({ memory: { maxSize: 1000, ttl: 60_000 } });
  await run(cache);
  await cache.destroy();
}
