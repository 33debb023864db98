/** Indexes that really help: each is created on a copy, and the plan with it compared with the plan without. */
import type { DatabaseConnection, Queryable } from './connection.js';
import { indexCandidates, type IndexCandidate } from './index-candidates.js';
import {
  explain,
  explainInTransaction,
  inDiscardedTransaction,
  type Explainable,
  type QueryPlan,
} from './query-plan.js';
import { sqliteConnections } from './sqlite-connections.js';

/** An index with which the database plans the statement better. */
export interface IndexSuggestion {
  readonly table: string;
  readonly columns: readonly string[];
  /** The statement that creates it. */
  readonly sql: string;
  /** The plan without it and with it, a line a step. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** The limit for a useful index: a plan that costs at most this share of its cost before. */
const WORTHWHILE = 0.8;
/** Rows of each PostgreSQL table that the plans are compared on. */
const SAMPLE_ROWS = 10_000;
/** Milliseconds a statement on the copy may take. */
const COPY_TIMEOUT = 5000;

/** `users (name, "Age")` → `users_name_age_idx`, as PostgreSQL itself would name it. */
function indexName({ table, columns }: IndexCandidate): string {
  const bare = table.split('.').at(-1)!;
  return [bare, ...columns, 'idx']
    .map((name) => name.toLowerCase().replace(/[^a-z0-9_]/g, ''))
    .join('_')
    .slice(0, 63);
}

function createStatement(candidate: IndexCandidate): string {
  return `CREATE INDEX ${indexName(candidate)} ON ${candidate.table} (${candidate.columns.join(', ')})`;
}

/** The best of the candidates for this statement, each tried alone on a copy; undefined when none is worth it. */
async function findBest(
  candidates: readonly IndexCandidate[],
  before: QueryPlan,
  tryOut: (candidate: IndexCandidate) => Promise<QueryPlan | undefined>,
): Promise<IndexSuggestion | undefined> {
  let best: { candidate: IndexCandidate; plan: QueryPlan } | undefined;
  for (const candidate of candidates) {
    const plan = await tryOut(candidate);
    const limit = best?.plan.cost ?? before.cost;
    if (plan !== undefined && plan.cost <= WORTHWHILE * limit && plan.cost < limit) best = { candidate, plan };
  }
  if (best === undefined) return undefined;
  const { candidate, plan } = best;
  return { ...candidate, sql: createStatement(candidate), before: before.steps, after: plan.steps };
}

/** The plan with the index, which is gone again after that; undefined when it could not be created. */
async function planWithIndex(
  copy: Queryable,
  candidate: IndexCandidate,
  plan: () => Promise<QueryPlan | undefined>,
): Promise<QueryPlan | undefined> {
  await copy.query('SAVEPOINT candidate');
  try {
    await copy.query(createStatement(candidate));
    return await plan();
  } catch {
    return undefined; // the column is not where the text made it seem
  } finally {
    await copy.query('ROLLBACK TO SAVEPOINT candidate');
  }
}

/** Copies the schema, and what ANALYZE has found out, into a database in memory. No row is copied: SQLite plans without. */
async function copySqliteSchema(source: Explainable, copy: DatabaseConnection): Promise<void> {
  const objects = await source.query<{ sql: string }>(
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid",
  );
  for (const { sql } of objects.rows) await copy.query(sql).catch(() => undefined); // one of an extension not loaded here
  const statistics = await source.query('SELECT tbl, idx, stat FROM sqlite_stat1').catch(() => undefined);
  if (statistics === undefined) return;
  await copy.query('ANALYZE');
  await copy.query('DELETE FROM sqlite_stat1');
  for (const { tbl, idx, stat } of statistics.rows) {
    await copy.query('INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)', [tbl, idx, stat]);
  }
  await copy.query('ANALYZE sqlite_schema'); // reads the statistics just written
}

const plainName = (name: string): string => name.toLowerCase().replace(/["`[\]]/g, '');

/**
 * Whether an index begins with these columns. One more like it would be new to the planner, which, knowing nothing of its
 * values, could prefer it to the one whose values it knows to be of no use.
 */
async function isIndexed(copy: DatabaseConnection, { table, columns }: IndexCandidate): Promise<boolean> {
  const { rows } = await copy.query<{ columns: string | null }>(
    `SELECT (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(list.name) ORDER BY seqno)) AS columns
     FROM pragma_index_list(?) AS list`,
    [plainName(table.split('.').at(-1)!)],
  );
  const wanted = `${columns.map(plainName).join()},`;
  return rows.some((index) => `${index.columns?.toLowerCase()},`.startsWith(wanted));
}

async function adviseOnSqlite(source: Explainable, sql: string): Promise<IndexSuggestion | undefined> {
  const factory = sqliteConnections(':memory:');
  const copy = await factory.create(new AbortController().signal);
  try {
    await copySqliteSchema(source, copy);
    const before = await explain(copy, sql);
    if (before === undefined) return undefined;
    return await findBest(indexCandidates(sql), before, async (candidate) => {
      if (await isIndexed(copy, candidate)) return undefined;
      return planWithIndex(copy, candidate, () => explain(copy, sql));
    });
  } finally {
    copy.close();
    await factory.close?.();
  }
}

/** Temporary tables of the same names, with a sample of the rows: names without a schema mean them from here on. */
async function copyPostgresTables(connection: Explainable, tables: ReadonlySet<string>): Promise<void> {
  for (const table of tables) {
    const { rows } = await connection.query<{ original: string }>(
      `SELECT format('%I.%I', n.nspname, c.relname) AS original
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`,
      [table],
    );
    const original = rows[0]?.original;
    if (original === undefined) continue; // a common table expression, or nothing at all: planning will tell
    await connection.query(
      `CREATE TEMPORARY TABLE ${table} (LIKE ${original} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING GENERATED) ON COMMIT DROP`,
    );
    await connection.query(`INSERT INTO pg_temp.${table} SELECT * FROM ${original} LIMIT ${SAMPLE_ROWS}`);
    await connection.query(`ANALYZE pg_temp.${table}`);
  }
}

async function adviseOnPostgres(connection: Explainable, sql: string): Promise<IndexSuggestion | undefined> {
  const candidates = indexCandidates(sql).filter(({ table }) => !table.includes('.'));
  return inDiscardedTransaction(connection, 'BEGIN', COPY_TIMEOUT, async () => {
    await copyPostgresTables(connection, new Set(candidates.map(({ table }) => table)));
    const before = await explainInTransaction(connection, sql);
    return findBest(candidates, before, (candidate) =>
      planWithIndex(connection, candidate, () => explainInTransaction(connection, sql)),
    );
  });
}

/**
 * The index that helps a statement most, proven by the database's own planner on a copy: the schema on SQLite, a sample
 * of the rows on PostgreSQL. Nothing is created in the database itself.
 */
export async function adviseIndex(connection: Explainable, sql: string): Promise<IndexSuggestion | undefined> {
  if (indexCandidates(sql).length === 0) return undefined;
  return connection.dialect === 'sqlite' ? adviseOnSqlite(connection, sql) : adviseOnPostgres(connection, sql);
}
