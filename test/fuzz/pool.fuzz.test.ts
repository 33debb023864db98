/** The pool over real databases: slots return, sessions stay within the limit, transactions report the true outcome. */
import fc from '../support/fast-check.js';
import { ConnectionPool, sqliteConnections } from '../../src/index.js';
import { postgresConnections } from '../../src/postgres.js';
import { describeWith, postgresService } from '../support/services.js';
import { fuzz } from './harness.js';

const URL = postgresService.url;
const SCHEMA = `pool_fuzz_${process.pid}`;
const NAME = `pool-fuzz-${process.pid}`;
const MAX = 2;

const factories = {
  sqlite: () => sqliteConnections(':memory:'),
  postgres: () => postgresConnections(URL, { schema: SCHEMA, applicationName: NAME }),
};
type DialectName = keyof typeof factories;
type Caller = 'query' | 'fail' | 'leave' | 'dirty' | 'kill' | 'abort' | 'twice';

const admin = new ConnectionPool({ factory: postgresConnections(URL), minConnections: 0, maxConnections: 1 });
const pools = new Map<DialectName, ConnectionPool>();

async function poolOf(dialect: DialectName): Promise<ConnectionPool> {
  let pool = pools.get(dialect);
  if (pool === undefined) {
    const factory = factories[dialect]() as never;
    pool = new ConnectionPool({ factory, minConnections: 0, maxConnections: MAX, validationTimeout: 200 });
    pools.set(dialect, pool);
    await pool.use((connection) => connection.query('CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY)'));
  }
  return pool;
}

async function sessions(): Promise<number> {
  const sql = 'SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = $1';
  const { rows } = await admin.use((connection) => connection.query<{ n: number }>(sql, [NAME]));
  return rows[0]!.n;
}

async function call(pool: ConnectionPool, kind: Caller): Promise<void> {
  if (kind === 'abort') {
    const caller = new AbortController();
    const waiting = pool.use(() => undefined, { signal: caller.signal });
    caller.abort();
    return waiting;
  }
  const connection = await pool.acquire();
  const slow = 'SELECT pg_sleep(5)';
  try {
    if (kind === 'query' || kind === 'twice') await connection.query('SELECT 1');
    if (kind === 'fail') await connection.query('SELECT * FROM nowhere');
    if (kind === 'dirty') await connection.query('BEGIN');
    if (kind === 'leave' && pool.dialect === 'postgres') void connection.query(slow).catch(() => undefined);
    if (kind === 'kill' && pool.dialect === 'postgres') {
      await connection.query('SELECT pg_terminate_backend(pg_backend_pid())');
    }
  } finally {
    connection.release();
    if (kind === 'twice') connection.release();
  }
}

/** A transaction as a tree: inserts, failures that are handled or not, transactions inside it. */
type Step =
  | { readonly kind: 'insert'; readonly id: number }
  | { readonly kind: 'swallow' }
  | { readonly kind: 'throw' }
  | { readonly kind: 'inner'; readonly isHandled: boolean; readonly steps: readonly Step[] };

const { steps } = fc.letrec<{ step: Step; steps: Step[] }>((tie) => ({
  step: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('insert' as const), id: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('swallow' as const) }),
    fc.record({ kind: fc.constant('throw' as const) }),
    fc.record({ kind: fc.constant('inner' as const), isHandled: fc.boolean(), steps: tie('steps') }),
  ),
  steps: fc.array(tie('step'), { maxLength: 4 }),
}));

/**
 * The rows that must be kept; undefined if the level fails. A swallowed failure spoils a level of a PostgreSQL
 * transaction, and has no effect in SQLite.
 */
function model(list: readonly Step[], before: ReadonlySet<number>, spoils: boolean): Set<number> | undefined {
  let kept = new Set(before);
  let isSpoilt = false;
  for (const step of list) {
    if (step.kind === 'throw') return undefined;
    if (step.kind === 'swallow') isSpoilt ||= spoils;
    if (step.kind === 'insert') {
      if (isSpoilt || kept.has(step.id)) return undefined;
      kept.add(step.id);
    }
    if (step.kind !== 'inner') continue;
    const inner = isSpoilt ? undefined : model(step.steps, kept, spoils);
    if (inner !== undefined) kept = inner;
    else if (!step.isHandled) return undefined;
  }
  return isSpoilt ? undefined : kept;
}

type Speaker = Awaited<ReturnType<ConnectionPool['acquire']>>;

async function play(connection: Speaker, list: readonly Step[]): Promise<void> {
  for (const step of list) {
    if (step.kind === 'throw') throw new Error('thrown');
    if (step.kind === 'swallow') await connection.query('SELECT * FROM nowhere').catch(() => undefined);
    if (step.kind === 'insert') await connection.query(`INSERT INTO kept VALUES (${step.id})`);
    if (step.kind !== 'inner') continue;
    const inner = connection.transaction((innermost) => play(innermost, step.steps));
    await (step.isHandled ? inner.catch(() => undefined) : inner);
  }
}

describeWith(postgresService, 'over SQLite and PostgreSQL', () => {
  afterAll(async () => {
    for (const pool of pools.values()) await pool.close();
    await admin.use((connection) => connection.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`));
    await admin.close();
  });

  /** Two lists, because their values differ: each has half of the part's time. */
  const HALF = 0.5;
  const dialect = fc.constantFrom<DialectName>('sqlite', 'postgres');

  fuzz(
    'pool',
    [
      {
        title: 'a transaction has succeeded exactly if what it did is there',
        arbitrary: fc.record({ dialect, list: steps }),
        async check({ dialect: name, list }, tally) {
          const pool = await poolOf(name);
          await pool.use((connection) => connection.query('DELETE FROM kept'));
          const isKept = await pool
            .transaction((connection) => play(connection, list))
            .then(
              () => true,
              () => false,
            );
          const expected = model(list, new Set(), name === 'postgres');
          expect(isKept).toBe(expected !== undefined);
          const { rows } = await pool.use((connection) => connection.query('SELECT id FROM kept ORDER BY id'));
          expect(rows.map(({ id }) => id)).toEqual([...(expected ?? [])].sort((a, b) => Number(a) - Number(b)));
          tally.transactions = (tally.transactions ?? 0) + 1;
        },
      },
    ],
    HALF,
  );

  fuzz(
    'pool',
    [
      {
        title: 'slots return, and the server never has more sessions than the maximum',
        arbitrary: fc.record({
          dialect,
          callers: fc.array(fc.constantFrom<Caller>('query', 'fail', 'leave', 'dirty', 'kill', 'abort', 'twice'), {
            minLength: 1,
            maxLength: 8,
          }),
        }),
        async check({ dialect: name, callers }, tally) {
          const pool = await poolOf(name);
          const calls = callers.map((kind) => call(pool, kind).catch(() => undefined));
          if (name === 'postgres') expect(await sessions()).toBeLessThanOrEqual(MAX);
          await Promise.all(calls);
          if (name === 'postgres') expect(await sessions()).toBeLessThanOrEqual(MAX);
          // Every place is free again: the whole pool can be borrowed at once.
          const all = await Promise.all(Array.from({ length: MAX }, () => pool.acquire({ timeout: 10_000 })));
          for (const connection of all) await connection.query('SELECT 1');
          for (const connection of all) connection.release();
          expect(pool.getStats().activeCount).toBe(0);
          tally.calls = (tally.calls ?? 0) + callers.length;
        },
      },
    ],
    HALF,
  );
});
