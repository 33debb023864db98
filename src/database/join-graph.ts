/** Whether the tables of a query are connected by its conditions, as far as its text can tell. */
import type { SqlToken } from './sql-tokens.js';
import { isName, isWord, splitConditions, splitList, type QueryPart } from './statement-structure.js';

const NOTHING: readonly SqlToken[] = [];

/** Words that look like columns but are not. */
const NO_COLUMNS: ReadonlySet<string> = new Set(
  'true false unknown current_date current_time current_timestamp localtime localtimestamp current_user session_user'.split(
    ' ',
  ),
);

/** Tables that an ON, a USING, CROSS or NATURAL has put together, each by the name it is called by. */
type Joined = Set<string>;

/** A table, as far as its name says; undefined for what gives rows without being one: a query, a function. */
function nameOfTable(tokens: readonly SqlToken[], withNames: ReadonlySet<string>): string | undefined {
  const table = isWord(tokens[0], 'only') ? tokens.slice(1) : tokens;
  let at = 0;
  if (!isName(table[0]) || isWord(table[0], 'lateral')) return undefined;
  while (table[at + 1]?.text === '.' && isName(table[at + 2])) at += 2;
  if (table[at + 1]?.text === '(' || (at === 0 && withNames.has(table[0]!.value))) return undefined;
  const alias = isWord(table[at + 1], 'as') ? table[at + 2] : table[at + 1];
  return (isName(alias) ? alias! : table[at]!).value;
}

const NOT_TABLES: ReadonlySet<string> = new Set(['left', 'right', 'full', 'inner', 'outer', 'cross', 'natural']);

/** One item of the FROM list cut at its joins: the tables, and whether each is put together with the one before. */
function readItem(item: readonly SqlToken[]): { table: SqlToken[]; isJoined: boolean }[] {
  const members: { table: SqlToken[]; isJoined: boolean }[] = [{ table: [], isJoined: false }];
  let isCondition = false;
  let isJoined = false;
  for (const token of item) {
    if (isWord(token, 'cross', 'natural')) isJoined = true;
    if (isWord(token, 'join')) {
      members.push({ table: [], isJoined });
      [isJoined, isCondition] = [false, false];
    } else if (isWord(token, 'on', 'using')) {
      // `a JOIN b JOIN c ON … ON …`: each condition belongs to the last join that has none.
      const open = members.findLast((member) => !member.isJoined);
      if (open !== undefined) open.isJoined = true;
      isCondition = true;
    } else if (!isCondition && !(token.kind === 'word' && NOT_TABLES.has(token.value))) {
      members.at(-1)!.table.push(token);
    }
  }
  return members;
}

/** The tables of FROM in groups that are put together there; undefined where one gives rows without being a table. */
function readGroups({ clauses, statement }: QueryPart): Joined[] | undefined {
  const groups: Joined[] = [];
  for (const item of splitList(clauses.get('from') ?? NOTHING)) {
    if (item.some((token) => token.text === '(' && token.value !== '(query)' && item[0] === token)) return undefined;
    const members = readItem(item);
    for (const [i, { table, isJoined }] of members.entries()) {
      const name = nameOfTable(table, statement.withNames);
      if (name === undefined) return undefined;
      if (isJoined && (i > 0 || groups.length > 0)) groups.at(-1)!.add(name);
      else groups.push(new Set([name]));
    }
  }
  return groups;
}

/** The tables whose columns a condition names; undefined when it may name others as well. */
function tablesOf(condition: readonly SqlToken[]): Set<string> | undefined {
  const tables = new Set<string>();
  let bare = 0;
  for (const [i, token] of condition.entries()) {
    if (token.value === '(query)') return undefined;
    const [before, after] = [condition[i - 1]?.text, condition[i + 1]?.text];
    if (!isName(token) || after === '(' || before === '::' || NO_COLUMNS.has(token.value)) continue;
    if (after === '.') tables.add(token.value);
    else if (before !== '.') bare++;
  }
  // A column without its table may be of any: by itself it connects nothing, with another it may.
  return bare > 0 && bare + tables.size > 1 ? undefined : tables;
}

function unite(groups: Joined[], tables: ReadonlySet<string>): Joined[] {
  const touched = groups.filter((group) => [...tables].some((table) => group.has(table)));
  if (touched.length < 2) return groups;
  const united: Joined = new Set(touched.flatMap((group) => [...group]));
  return [united, ...groups.filter((group) => !touched.includes(group))];
}

/** Whether `table.column = value` picks rows of the group: a row here and a row there may meet on purpose. */
function isPinned(group: Joined, conditions: readonly (readonly SqlToken[])[]): boolean {
  return conditions.some(
    ([table, dot, , equals, ...rest]) =>
      table !== undefined &&
      group.has(table.value) &&
      dot?.text === '.' &&
      (equals?.text === '=' || equals?.text === '==') &&
      !rest.some((token) => isWord(token, 'or')),
  );
}

/**
 * Whether tables meet row by row that no condition connects. Silent where the text does not tell: columns without their
 * table, nested queries, tables that are queries or functions and may have one row.
 */
export function hasUnconnectedTables(part: QueryPart): boolean {
  let groups = readGroups(part);
  if (groups === undefined || groups.length < 2) return false;
  const conditions = splitConditions(part.clauses.get('where') ?? NOTHING);
  for (const condition of conditions) {
    const tables = tablesOf(condition);
    if (tables === undefined) return false;
    groups = unite(groups, tables);
  }
  return groups.length > 1 && !groups.every((group) => isPinned(group, conditions));
}
