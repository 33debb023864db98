/** The database's own plan for a statement, and what is remarkable in it. */
import type { DatabaseConnection, Queryable, Row } from './connection.js';
import type { Suggestion } from './anti-patterns.js';
import { tokenizeSql } from './sql-tokens.js';
import { statementKind } from './statement-kind.js';

/** A plan as text, one line per step, and the problems it shows. */
export interface QueryPlan {
  readonly steps: readonly string[];
  /** Tables read from end to end. */
  readonly scannedTables: readonly string[];
  readonly findings: readonly Suggestion[];
  /** For comparing two plans of one statement: PostgreSQL's estimate; on SQLite, ten a scanned table and one a sort. */
  readonly cost: number;
}

export type Explainable = Queryable & Pick<DatabaseConnection, 'dialect'>;

/** Milliseconds PostgreSQL may take to plan. */
const EXPLAIN_TIMEOUT = 2000;

/** Names of prepared statements begin so; each is used once, because one that failed stays until the session is cleaned. */
const PREPARED = 'tooloo_explained_';
let lastPrepared = 0;

/** PostgreSQL's cost of scanning about a thousand short rows: below it a scan is how a table is best read. */
const COST_OF_SMALL_TABLE = 25;

function fullScan(table: string): Suggestion {
  return {
    rule: 'full-scan',
    severity: 'warning',
    message: `The plan reads all of ${table}: an index on the columns it is searched by would do.`,
  };
}

function sortFinding(what: string): Suggestion {
  return {
    rule: 'sort-without-index',
    severity: 'info',
    message: `The plan sorts the rows itself (${what}): an index in that order gives them sorted.`,
  };
}

function automaticIndex(table: string): Suggestion {
  return {
    rule: 'automatic-index',
    severity: 'warning',
    message: `The plan builds an index on ${table} for this one statement, each time: create it for good.`,
  };
}

/** @param filters whether the statement wants some rows only: one that asks for all of them is right to scan */
function readSqlitePlan(steps: readonly string[], filters: boolean): QueryPlan {
  const findings: Suggestion[] = [];
  const scannedTables: string[] = [];
  for (const step of steps) {
    // `SCAN t USING … INDEX` reads an index, `SCAN CONSTANT ROW` and `SCAN (subquery)` no table at all.
    const scan = /^SCAN (?!CONSTANT ROW|\()(\S+)(?!.*(?: USING | VIRTUAL TABLE))/.exec(step);
    if (scan !== null) {
      scannedTables.push(scan[1]!);
      if (filters) findings.push(fullScan(scan[1]!));
    }
    const sorted = /USE TEMP B-TREE FOR (.+)/.exec(step);
    if (sorted !== null) findings.push(sortFinding(sorted[1]!.toLowerCase()));
    const automatic = /^SEARCH (\S+) USING AUTOMATIC/.exec(step);
    if (automatic !== null) findings.push(automaticIndex(automatic[1]!));
  }
  const sorts = steps.filter((step) => step.includes('TEMP B-TREE')).length;
  const builtIndexes = findings.filter(({ rule }) => rule === 'automatic-index').length;
  return { steps, scannedTables, findings, cost: 10 * (scannedTables.length + builtIndexes) + sorts };
}

function readPostgresPlan(steps: readonly string[]): QueryPlan {
  const findings: Suggestion[] = [];
  const scannedTables: string[] = [];
  steps.forEach((step, i) => {
    const scan = /Seq Scan on (\S+).*\.\.([\d.]+) rows=/.exec(step);
    if (scan === null) return;
    scannedTables.push(scan[1]!);
    const isFiltered = /^\s*Filter:/.test(steps[i + 1] ?? '');
    if (isFiltered && Number(scan[2]) >= COST_OF_SMALL_TABLE) findings.push(fullScan(scan[1]!));
  });
  const cost = Number(/cost=[\d.]+\.\.([\d.]+)/.exec(steps[0] ?? '')?.[1] ?? 0);
  return { steps, scannedTables, findings, cost };
}

/** A line of conditions of a plan, which repeats the statement's literals; the others hold costs and names. */
const CONDITION_LINE = /^(\s*[A-Z][\w ]*: )(.+)$/;

/** The plan may be shown and logged, so it holds no value. */
function withoutValues(step: string): string {
  const [, label, conditions] = CONDITION_LINE.exec(step) ?? [];
  if (label === undefined || conditions === undefined) return step;
  let masked = '';
  let end = 0;
  for (const token of tokenizeSql(conditions)) {
    if (token.kind !== 'string' && token.kind !== 'number') continue;
    masked += `${conditions.slice(end, token.start)}?`;
    end = token.end;
  }
  return label + masked + conditions.slice(end);
}

const firstColumn = (rows: readonly Row[]): string[] => rows.map((row) => String(Object.values(row)[0]));

/** SQLite plans without values, but requires as many as there are placeholders, in every spelling of them. */
async function explainSqlite(connection: Explainable, sql: string): Promise<QueryPlan> {
  const tokens = tokenizeSql(sql);
  const nulls = tokens.filter(({ kind }) => kind === 'placeholder').map(() => null);
  const anonymous = tokens.map(({ kind, text }) => (kind === 'placeholder' ? '?' : text)).join(' ');
  const { rows } = await connection.query<{ detail: string }>(`EXPLAIN QUERY PLAN ${anonymous}`, nulls);
  const filters = tokens.some(({ kind, value }) => kind === 'word' && (value === 'where' || value === 'join'));
  return readSqlitePlan(
    rows.map(({ detail }) => detail),
    filters,
  );
}

/**
 * PostgreSQL plans a prepared statement without values when it is forced to make a generic plan. Call this in a
 * transaction that is rolled back.
 */
export async function explainInTransaction(connection: Explainable, sql: string): Promise<QueryPlan> {
  const numbers = tokenizeSql(sql)
    .filter(({ kind, text }) => kind === 'placeholder' && text.startsWith('$'))
    .map(({ text }) => Number(text.slice(1)));
  const count = Math.max(0, ...numbers);
  const values = count === 0 ? '' : `(${Array<string>(count).fill('NULL').join(', ')})`;
  await connection.query('SET LOCAL plan_cache_mode = force_generic_plan');
  const name = `${PREPARED}${++lastPrepared}`;
  await connection.query(`PREPARE ${name} AS ${sql}`);
  const { rows } = await connection.query(`EXPLAIN EXECUTE ${name}${values}`);
  return readPostgresPlan(firstColumn(rows).map(withoutValues));
}

/** Runs `work` in a transaction that is always rolled back, on PostgreSQL. Nothing of it stays in the session. */
export async function inDiscardedTransaction<T>(
  connection: Explainable,
  begin: string,
  timeout: number,
  work: () => Promise<T>,
): Promise<T> {
  await connection.query(begin);
  try {
    await connection.query(`SET LOCAL statement_timeout = ${timeout}`);
    return await work();
  } finally {
    await connection.query('ROLLBACK');
    // A PREPARE outlives its transaction. Only the kit's own are removed, because the session may have others.
    const prepared = 'SELECT name FROM pg_prepared_statements WHERE starts_with(name, $1)';
    const { rows } = await connection.query<{ name: string }>(prepared, [PREPARED]);
    for (const { name } of rows) await connection.query(`DEALLOCATE ${name}`);
  }
}

/** Gets the plan of a statement without running it. Undefined if it has none. Rejects if the statement is wrong. */
export async function explain(connection: Explainable, sql: string): Promise<QueryPlan | undefined> {
  if (statementKind(tokenizeSql(sql)) === 'other') return undefined;
  if (connection.dialect === 'sqlite') return explainSqlite(connection, sql);
  return inDiscardedTransaction(connection, 'BEGIN READ ONLY', EXPLAIN_TIMEOUT, () =>
    explainInTransaction(connection, sql),
  );
}
