/** What is often wrong with SQL, told from its text; `plan-findings.ts` asks the database. */
import type { SqlToken } from './sql-tokens.js';
import { isName, isWord, readStructure, splitConditions, splitList, type QueryPart } from './statement-structure.js';

export type Severity = 'info' | 'warning' | 'critical';

/** Something to do about a query, and why. */
export interface Suggestion {
  /** Stable name, e.g. 'select-star'. */
  readonly rule: string;
  /** What is wrong and what to do instead. */
  readonly message: string;
  /** 'critical': very likely not what is meant. 'warning': slow once there is data. 'info': worth a look. */
  readonly severity: Severity;
}

interface Rule extends Suggestion {
  readonly applies: (part: QueryPart) => boolean;
  /** A suspicion that only holds when the database really reads the whole table. */
  readonly needsScan?: boolean;
}

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<', '>', '<=', '>=', '<>', '!=', '==']);
const AGGREGATES: ReadonlySet<string> = new Set(
  'count sum avg min max total group_concat string_agg array_agg json_agg jsonb_agg json_group_array bool_and bool_or every'.split(
    ' ',
  ),
);
const RANDOM: ReadonlySet<string> = new Set(['random', 'rand', 'newid']);
const LONGEST_LIST = 100;
const DEEP_OFFSET = 1000;

const NOTHING: readonly SqlToken[] = [];
const isComparison = (token: SqlToken | undefined): boolean =>
  token?.kind === 'operator' && COMPARISONS.has(token.text);
const isLiteral = (token: SqlToken | undefined): boolean => token?.kind === 'string' || token?.kind === 'number';
const isValue = (token: SqlToken | undefined): boolean => isLiteral(token) || token?.kind === 'placeholder';

function selectsEverything({ clauses, context }: QueryPart): boolean {
  if (context === 'exists') return false; // what EXISTS selects is not read
  return splitList(clauses.get('select') ?? NOTHING).some(
    (item) => item.at(-1)?.text === '*' && (item.length === 1 || item.at(-2)!.text === '.'),
  );
}

const isCall = (tokens: readonly SqlToken[], at: number): boolean => isName(tokens[at]) && tokens[at + 1]?.text === '(';

function callsAggregate(tokens: readonly SqlToken[]): boolean {
  return tokens.some(
    (token, i) => isCall(tokens, i) && AGGREGATES.has(token.value) && !isWord(tokens[callEnd(tokens, i)], 'over'),
  );
}

/** Index after the closing parenthesis of the call at `at`. */
function callEnd(tokens: readonly SqlToken[], at: number): number {
  let depth = 0;
  for (let i = at + 1; i < tokens.length; i++) {
    if (tokens[i]!.text === '(' && tokens[i]!.value !== '(query)') depth++;
    if (tokens[i]!.text === ')' && --depth === 0) return i + 1;
  }
  return tokens.length;
}

/** `a = ?`, `t.a IN (…)`, `a IS NULL`: a condition that keeps few rows, where it is indexed. */
function narrows(condition: readonly SqlToken[]): boolean {
  if (condition.some((token) => isWord(token, 'or', 'not'))) return false;
  return condition.some((token) => token.text === '=' || token.text === '==' || isWord(token, 'in', 'is', 'match'));
}

function isUnbounded({ clauses, context }: QueryPart): boolean {
  const list = clauses.get('select');
  if (list === undefined || context !== undefined || !clauses.has('from')) return false;
  if (clauses.has('limit') || clauses.has('fetch') || clauses.has('group') || callsAggregate(list)) return false;
  return !splitConditions(clauses.get('where') ?? NOTHING).some(narrows);
}

function hasLeadingWildcard({ clauses }: QueryPart): boolean {
  const where = clauses.get('where') ?? NOTHING;
  return where.some((token, i) => {
    const pattern = where[i + 1];
    return isWord(token, 'like', 'ilike') && pattern?.kind === 'string' && /^[a-z&]*'[%_]/i.test(pattern.text);
  });
}

/** `lower(name) = ?`: a function between a column and what it is compared with. */
function wrapsColumn({ clauses }: QueryPart): boolean {
  const where = clauses.get('where') ?? NOTHING;
  return where.some((_, i) => {
    if (!isCall(where, i) || where[i - 1]?.text === '.' || isComparison(where[i - 1])) return false;
    const end = callEnd(where, i);
    const takesColumn = where
      .slice(i + 2, end - 1)
      .some((token, j, inside) => isName(token) && inside[j + 1]?.text !== '(');
    return takesColumn && (isComparison(where[end]) || isWord(where[end], 'like', 'in', 'between'));
  });
}

/** Whether a condition compares a column of one table with a column of another. */
function linksTables(condition: readonly SqlToken[]): boolean {
  const at = condition.findIndex(isComparison);
  const reference = (side: readonly SqlToken[]): string | undefined =>
    side.findLast((token, i) => isName(token) && side[i + 1]?.text === '.')?.value;
  const [left, right] = [reference(condition.slice(0, at)), reference(condition.slice(at + 1))];
  return at !== -1 && left !== undefined && right !== undefined && left !== right;
}

function joinsWithoutCondition({ clauses }: QueryPart): boolean {
  const from = clauses.get('from') ?? NOTHING;
  const tables = splitList(from).filter((item) => !isCall(item, 0) && !isWord(item[0], 'lateral'));
  const links = splitConditions(clauses.get('where') ?? NOTHING).filter(linksTables).length;
  if (tables.length > 1 && links < tables.length - 1) return true;
  return from.some((token, i) => {
    if (!isWord(token, 'join') || isWord(from[i - 1], 'cross', 'natural')) return false;
    const next = from.findIndex((other, j) => j > i && isWord(other, 'join', 'on', 'using'));
    return (next === -1 || isWord(from[next], 'join')) && links === 0;
  });
}

const comparesWithNull = ({ clauses }: QueryPart): boolean =>
  [...(clauses.get('where') ?? NOTHING), ...(clauses.get('having') ?? NOTHING)].some(
    (token, i, all) => isComparison(token) && isWord(all[i + 1], 'null'),
  );

const hasNotInQuery = ({ clauses }: QueryPart): boolean =>
  (clauses.get('where') ?? NOTHING).some(
    (token, i, where) => isWord(token, 'not') && isWord(where[i + 1], 'in') && where[i + 2]?.value === '(query)',
  );

/** Text or a number that looks like somebody's data: names of states and small numbers are constants of the program. */
function looksLikeData({ kind, text }: SqlToken): boolean {
  if (kind === 'number') return !/^\d$/.test(text);
  return kind === 'string' && !/^'[a-z_ -]*'$/i.test(text);
}

const hasLiteralData = ({ clauses }: QueryPart): boolean =>
  (clauses.get('where') ?? NOTHING).some(
    (token, i, where) => isComparison(token) && isName(where[i - 1]) && where[i + 1] && looksLikeData(where[i + 1]!),
  );

function pagesByOffset({ clauses }: QueryPart): boolean {
  const limit = clauses.get('limit') ?? NOTHING;
  const offset = clauses.get('offset')?.[0] ?? (limit[1]?.text === ',' ? limit[0] : undefined);
  return offset?.kind === 'placeholder' || (offset?.kind === 'number' && Number(offset.text) >= DEEP_OFFSET);
}

const ordersByRandom = ({ clauses }: QueryPart): boolean =>
  (clauses.get('order') ?? NOTHING).some((token, i, order) => isCall(order, i) && RANDOM.has(token.value));

const changesEverything = ({ clauses }: QueryPart): boolean =>
  (clauses.has('update') || clauses.has('delete')) &&
  !clauses.has('where') &&
  !clauses.has('insert') &&
  !clauses.has('for');

/** `INSERT INTO t VALUES …`: the table's name directly before VALUES or SELECT. */
function insertsByPosition({ clauses }: QueryPart): boolean {
  const target = clauses.get('insert');
  return (
    target !== undefined &&
    !target.some(({ text }) => text === '(') &&
    !target.some((token) => isWord(token, 'default'))
  );
}

const hasLongList = ({ clauses }: QueryPart): boolean =>
  (clauses.get('where') ?? NOTHING).some(
    (token, i, where) =>
      isWord(token, 'in') && where.slice(i + 2, callEnd(where, i)).filter(isValue).length > LONGEST_LIST,
  );

const joinsNaturally = ({ clauses }: QueryPart): boolean =>
  (clauses.get('from') ?? NOTHING).some((token) => isWord(token, 'natural'));

const RULES: readonly Rule[] = [
  {
    rule: 'select-star',
    severity: 'info',
    message: 'SELECT * reads and sends columns nobody asked for, and no index can cover it: name the columns.',
    applies: selectsEverything,
  },
  {
    rule: 'missing-limit',
    severity: 'warning',
    message: 'Nothing bounds the number of rows: add LIMIT, or a condition that keeps few.',
    applies: isUnbounded,
  },
  {
    rule: 'leading-wildcard',
    severity: 'warning',
    message: 'A LIKE pattern that begins with a wildcard cannot use an index: use a full-text or trigram index.',
    applies: hasLeadingWildcard,
    needsScan: true,
  },
  {
    rule: 'function-on-column',
    severity: 'warning',
    message: 'A function around the column hides it from its index: compare the bare column, or index the expression.',
    applies: wrapsColumn,
    needsScan: true,
  },
  {
    rule: 'implicit-cross-join',
    severity: 'critical',
    message:
      'Tables are joined without a condition: every row meets every row. Add ON, or write CROSS JOIN if it is meant.',
    applies: joinsWithoutCondition,
  },
  {
    rule: 'null-comparison',
    severity: 'critical',
    message: 'A comparison with NULL is never true: write IS NULL or IS NOT NULL.',
    applies: comparesWithNull,
  },
  {
    rule: 'not-in-subquery',
    severity: 'warning',
    message: 'NOT IN gives no row at all once the subquery gives a NULL: use NOT EXISTS.',
    applies: hasNotInQuery,
  },
  {
    rule: 'unparameterised-literal',
    severity: 'info',
    message: 'A value is written into the statement: as a parameter it is planned once, and cannot inject SQL.',
    applies: hasLiteralData,
  },
  {
    rule: 'offset-paging',
    severity: 'info',
    message: 'OFFSET reads and drops every row before the page: continue from the last key seen (WHERE key > ?).',
    applies: pagesByOffset,
  },
  {
    rule: 'order-by-random',
    severity: 'warning',
    message: 'ORDER BY random() sorts the whole table for a few rows: pick random keys instead.',
    applies: ordersByRandom,
  },
  {
    rule: 'missing-where',
    severity: 'critical',
    message: 'This changes or deletes every row of the table: add WHERE.',
    applies: changesEverything,
  },
  {
    rule: 'insert-without-columns',
    severity: 'warning',
    message: 'INSERT without a column list breaks when a column is added: name the columns.',
    applies: insertsByPosition,
  },
  {
    rule: 'long-in-list',
    severity: 'info',
    message: `A list of more than ${LONGEST_LIST} values is planned anew for each length: join with a table of the values.`,
    applies: hasLongList,
  },
  {
    rule: 'natural-join',
    severity: 'warning',
    message:
      'NATURAL JOIN joins on whatever columns share a name, now and after the next migration: name them with USING.',
    applies: joinsNaturally,
  },
];

/** A suggestion, and whether it is only right if the plan shows a scan. */
export interface Suspicion {
  readonly suggestion: Suggestion;
  readonly needsScan: boolean;
}

/** What the text of a statement gives away, each rule once. */
export function findAntiPatterns(sql: string): Suspicion[] {
  const parts = readStructure(sql);
  return RULES.filter(({ applies }) => parts.some(applies)).map(({ rule, severity, message, needsScan = false }) => ({
    suggestion: { rule, severity, message },
    needsScan,
  }));
}
