/**
 * Merges many lookups into one statement: `SELECT … FROM t WHERE key = ?` for several keys at once. The keys become a
 * joined table of numbered rows. The database itself therefore compares (types, collations and NULL as usual), and each
 * row shows which lookup it belongs to.
 */
import type { Dialect, Row } from './connection.js';
import { KEYWORDS } from './sql-keywords.js';
import type { SqlToken } from './sql-tokens.js';

/** A statement whose lookups can be merged, cut at the places where the merged one differs. */
export interface MergeableLookup {
  readonly dialect: Dialect;
  /** The select list, `*` qualified. */
  readonly columns: string;
  /** `table` or `table alias`. */
  readonly from: string;
  readonly keyColumn: string;
  /** The other conditions, each with a leading AND. */
  readonly conditions: string;
  /** `ORDER BY …`, or ''. */
  readonly order: string;
}

/** Names that applications do not use, because they must not collide with a column of the table. */
const BATCH = '__batch';
const NUMBER = '__batch_number';
const KEY = '__batch_key';

const isName = ({ kind, value }: SqlToken): boolean => kind === 'quoted' || (kind === 'word' && !KEYWORDS.has(value));
const isWord = (token: SqlToken | undefined, ...words: string[]): boolean =>
  token?.kind === 'word' && words.includes(token.value);
const textOf = (tokens: readonly SqlToken[]): string => tokens.map(({ text }) => text).join(' ');

/** Length of the (qualified) name that begins at `at`: 1 for `a`, 3 for `a.b`, 0 if there is no name. */
function nameLength(tokens: readonly SqlToken[], at: number): number {
  if (tokens[at] === undefined || !isName(tokens[at])) return 0;
  const isQualified = tokens[at + 1]?.text === '.' && tokens[at + 2] !== undefined && isName(tokens[at + 2]!);
  return isQualified ? 3 : 1;
}

/** A list of plain columns: an expression might be an aggregate, whose result is not that of the rows apart. */
function isPlainColumn(item: readonly SqlToken[]): boolean {
  if (item.at(-1)?.text === '*') return item.length === 1 || (item.length === 3 && item[1]!.text === '.');
  const length = nameLength(item, 0);
  const alias = item.slice(length);
  if (length === 0 || alias.length === 0) return length > 0;
  const name = isWord(alias[0], 'as') ? alias.slice(1) : alias;
  return name.length === 1 && isName(name[0]!);
}

function splitBy(tokens: readonly SqlToken[], isSeparator: (token: SqlToken) => boolean): SqlToken[][] {
  const parts: SqlToken[][] = [[]];
  for (const token of tokens) {
    if (isSeparator(token)) parts.push([]);
    else parts.at(-1)!.push(token);
  }
  return parts;
}

/** `key = ?` and nothing else. */
function isKeyCondition(condition: readonly SqlToken[]): boolean {
  const length = nameLength(condition, 0);
  if (length === 0 || condition.length !== length + 2) return false;
  return condition[length]!.text === '=' && ['?', '$1'].includes(condition[length + 1]!.text);
}

/** Words that make one statement more than a lookup in one table. */
const TOO_MUCH = new Set(
  (
    'join natural group having limit offset fetch union intersect except window for into distinct or not between case ' +
    'exists returning collate'
  ).split(' '),
);

/** The tokens between the clauses: SELECT list, FROM, WHERE, ORDER BY; undefined when there is more or less than that. */
function cutClauses(tokens: readonly SqlToken[]): readonly (readonly SqlToken[])[] | undefined {
  const selects = tokens.filter((token) => isWord(token, 'select')).length;
  if (!isWord(tokens[0], 'select') || selects !== 1) return undefined;
  if (tokens.some(({ kind, value }) => kind === 'word' && TOO_MUCH.has(value))) return undefined;
  const from = tokens.findIndex((token) => isWord(token, 'from'));
  const where = tokens.findIndex((token) => isWord(token, 'where'));
  const order = tokens.findIndex((token) => isWord(token, 'order'));
  const end = order === -1 ? tokens.length : order;
  if (from === -1 || where < from || end < where) return undefined;
  return [tokens.slice(1, from), tokens.slice(from + 1, where), tokens.slice(where + 1, end), tokens.slice(end)];
}

/** What the columns of the table are qualified with: its alias, or its name. Undefined when FROM is not one table. */
function tableReference(from: readonly SqlToken[]): string | undefined {
  const length = nameLength(from, 0);
  const rest = from.slice(length);
  if (length === 0) return undefined;
  if (rest.length === 0) return textOf(from);
  const alias = isWord(rest[0], 'as') ? rest.slice(1) : rest;
  return alias.length === 1 && isName(alias[0]!) ? alias[0]!.text : undefined;
}

/** The statement as a mergeable lookup, or undefined if merging might change its result. */
export function asMergeableLookup(sqlTokens: readonly SqlToken[], dialect: Dialect): MergeableLookup | undefined {
  const tokens = sqlTokens.filter(({ text }) => text !== ';');
  if (tokens.filter(({ kind }) => kind === 'placeholder').length !== 1) return undefined;
  const clauses = cutClauses(tokens);
  if (clauses === undefined) return undefined;
  const [list, from, where, order] = clauses as [SqlToken[], SqlToken[], SqlToken[], SqlToken[]];
  const reference = tableReference(from);
  const columns = splitBy(list, ({ text }) => text === ',');
  if (reference === undefined || !columns.every(isPlainColumn)) return undefined;
  const conditions = splitBy(where, (token) => isWord(token, 'and'));
  const key = conditions.findIndex(isKeyCondition);
  if (key === -1) return undefined;
  const others = conditions.filter((_, i) => i !== key);
  return {
    dialect,
    columns: columns.map((column) => (column[0]!.text === '*' ? `${reference}.*` : textOf(column))).join(', '),
    from: textOf(from),
    keyColumn: textOf(conditions[key]!.slice(0, -2)),
    conditions: others.map((condition) => ` AND ${textOf(condition)}`).join(''),
    order: order.length === 0 ? '' : ` ${textOf(order)}`,
  };
}

/** A row for each key, in numbers that are powers of two, so that few different statements are ever prepared. */
function paddedCount(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** One statement for all the keys. Each row in its result carries the number of its lookup, see `dealRows`. */
export function mergedSql(
  { dialect, columns, from, keyColumn, conditions, order }: MergeableLookup,
  count: number,
): string {
  const isPostgres = dialect === 'postgres';
  const rows = Array.from({ length: paddedCount(count) }, (_, i) => `(${i}, ${isPostgres ? `$${i + 1}` : '?'})`);
  // PostgreSQL gives a column of placeholders the type of the one member that has a type: the key column's.
  if (isPostgres) rows.unshift(`(-1, (SELECT ${keyColumn} FROM ${from} WHERE FALSE))`);
  // SQLite keeps the order of a CROSS JOIN: the keys outside, one index search each inside.
  return (
    `WITH ${BATCH} (${NUMBER}, ${KEY}) AS (VALUES ${rows.join(', ')}) ` +
    `SELECT ${columns}, ${BATCH}.${NUMBER} FROM ${BATCH} CROSS JOIN ${from} ` +
    `WHERE ${keyColumn} = ${BATCH}.${KEY}${conditions}${order}`
  );
}

/** The keys as parameters of the merged statement. The list is padded with NULL, which equals nothing. */
export function mergedParams(keys: readonly unknown[]): unknown[] {
  return [...keys, ...Array<null>(paddedCount(keys.length) - keys.length).fill(null)];
}

/** The rows of each of `count` lookups, in their order, as the lookup alone would have given them. */
export function dealRows(rows: readonly Row[], count: number): Row[][] {
  const dealt: Row[][] = Array.from({ length: count }, () => []);
  for (const { [NUMBER]: number, ...row } of rows) dealt[number as number]!.push(row);
  return dealt;
}
