/** Frequent mistakes in SQL, found in its text; `plan-findings.ts` asks the database. */
import { hasUnconnectedTables } from './join-graph.js';
import { hasEquality, letsMostPass, readsDerived, readsOnlyDerived } from './row-bounds.js';
import type { SqlToken } from './sql-tokens.js';
import { isName, isWord, readStructure, splitList, type QueryPart } from './statement-structure.js';

/** The weight of a suggestion. */
export type Severity = 'info' | 'warning' | 'critical';

/** Something to do about a query, and why. */
export interface Suggestion {
  /** Stable name, e.g. 'select-star'. */
  readonly rule: string;
  /** The problem and the remedy. */
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
const EQUALS: ReadonlySet<string> = new Set(['=', '==']);
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

function selectsEverything(part: QueryPart): boolean {
  const { clauses, context } = part;
  if (context === 'exists') return false; // what EXISTS selects is not read
  if (clauses.has('from') && readsOnlyDerived(part)) return false; // their columns were named where they are written
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

function isUnbounded(part: QueryPart): boolean {
  const { clauses, context, statement } = part;
  const list = clauses.get('select');
  if (list === undefined || context !== undefined || !clauses.has('from') || clauses.has('insert')) return false;
  if (statement.isLimited || clauses.has('group') || isWord(list[0], 'distinct') || callsAggregate(list)) return false;
  return !list.some((token) => isWord(token, 'into')) && !readsDerived(part) && letsMostPass(part);
}

function hasLeadingWildcard(part: QueryPart): boolean {
  const where = part.clauses.get('where') ?? NOTHING;
  if (hasEquality(part)) return false;
  return where.some((token, i) => {
    const pattern = where[i + 1];
    if (isWord(where[i - 1], 'not')) return false; // no index helps with those
    return isWord(token, 'like', 'ilike') && pattern?.kind === 'string' && /^[a-z&]*'[%_]/i.test(pattern.text);
  });
}

const tablesNamed = (tokens: readonly SqlToken[]): number =>
  new Set(tokens.filter((token, i) => isName(token) && tokens[i + 1]?.text === '.').map(({ value }) => value)).size;

/** `lower(name) = ?`: a function between a column and what it is compared with. */
function wrapsColumn(part: QueryPart): boolean {
  const where = part.clauses.get('where') ?? NOTHING;
  if (hasEquality(part)) return false;
  return where.some((_, i) => {
    if (!isCall(where, i) || where[i - 1]?.text === '.' || isComparison(where[i - 1])) return false;
    const end = callEnd(where, i);
    const inside = where.slice(i + 2, end - 1);
    if (tablesNamed(inside) > 1) return false; // no index has columns of two tables
    const takesColumn = inside.some((token, j, inside) => isName(token) && inside[j + 1]?.text !== '(');
    return takesColumn && (isComparison(where[end]) || isWord(where[end], 'like', 'in', 'between'));
  });
}

const comparesWithNull = ({ clauses }: QueryPart): boolean =>
  [...(clauses.get('where') ?? NOTHING), ...(clauses.get('having') ?? NOTHING)].some(
    (token, i, all) => isComparison(token) && isWord(all[i + 1], 'null'),
  );

const excludesNull = (part: QueryPart | undefined): boolean =>
  (part?.clauses.get('where') ?? NOTHING).some(
    (token, i, where) => isWord(token, 'notnull') || (isWord(token, 'not') && isWord(where[i + 1], 'null')),
  );

const hasNotInQuery = ({ clauses, nested }: QueryPart): boolean =>
  (clauses.get('where') ?? NOTHING).some((token, i, where) => {
    const query = where[i + 2];
    if (!isWord(token, 'not') || !isWord(where[i + 1], 'in') || query?.value !== '(query)') return false;
    return !excludesNull(nested.get(query));
  });

/**
 * Text or a number that looks like a user's data: names of states and numbers like 404 are constants of the program.
 */
function looksLikeData({ kind, text }: SqlToken): boolean {
  if (kind === 'number') return !/^(?:\d{1,3}|[\d.]*\.\d*)$/.test(text);
  return kind === 'string' && !/^'[a-z_ -]*'$/i.test(text);
}

const hasLiteralData = ({ clauses }: QueryPart): boolean =>
  (clauses.get('where') ?? NOTHING).some(
    (token, i, where) => EQUALS.has(token.text) && isName(where[i - 1]) && where[i + 1] && looksLikeData(where[i + 1]!),
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
    message: 'SELECT * reads and sends columns that are not needed, and no index can cover it: name the columns.',
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
    applies: hasUnconnectedTables,
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
      'NATURAL JOIN joins on all columns that share a name, now and after the next migration: name them with USING.',
    applies: joinsNaturally,
  },
];

/** A suggestion, and whether it is only right if the plan shows a scan. */
export interface Suspicion {
  readonly suggestion: Suggestion;
  readonly needsScan: boolean;
}

/** The problems that the text of a statement shows, each rule once. */
export function findAntiPatterns(sql: string): Suspicion[] {
  const parts = readStructure(sql);
  return RULES.filter(({ applies }) => parts.some(applies)).map(({ rule, severity, message, needsScan = false }) => ({
    suggestion: { rule, severity, message },
    needsScan,
  }));
}
