/** Finds indexes that might help a statement, from its conditions; `index-advisor.ts` tries them. */
import type { SqlToken } from './sql-tokens.js';
import { isName, isWord, readStructure, splitConditions, splitList, type QueryPart } from './statement-structure.js';

export interface IndexCandidate {
  /** As written in the statement, schema included. */
  readonly table: string;
  /** In the order they belong in the index. */
  readonly columns: readonly string[];
}

interface Column {
  /** The table, or undefined if the statement has several and does not name one. */
  readonly table: string | undefined;
  readonly name: string;
}

interface Wanted {
  readonly equal: Set<string>;
  readonly range: Set<string>;
  readonly order: string[];
}

const RANGES: ReadonlySet<string> = new Set(['<', '>', '<=', '>=']);
const NOTHING: readonly SqlToken[] = [];

/** The tables of a FROM clause by the names they are referred to: alias or table name, to the name as written. */
function readTables(from: readonly SqlToken[]): Map<string, string> {
  const tables = new Map<string, string>();
  from.forEach((token, i) => {
    const startsItem = i === 0 || from[i - 1]!.text === ',' || isWord(from[i - 1], 'join');
    if (!startsItem || !isName(token) || from[i + 1]?.text === '(') return;
    const length = from[i + 1]?.text === '.' ? 3 : 1;
    const written = from
      .slice(i, i + length)
      .map(({ text }) => text)
      .join('');
    const after = isWord(from[i + length], 'as') ? from[i + length + 1] : from[i + length];
    tables.set(isName(after) ? after!.value : from[i + length - 1]!.value, written);
  });
  return tables;
}

/** The column that these tokens are, and nothing beside it. */
function asColumn(tokens: readonly SqlToken[], tables: ReadonlyMap<string, string>): Column | undefined {
  if (tokens.length === 1 && isName(tokens[0])) {
    const only = tables.size === 1 ? [...tables.values()][0] : undefined;
    return { table: only, name: tokens[0]!.text };
  }
  if (tokens.length !== 3 || tokens[1]!.text !== '.' || !isName(tokens[2])) return undefined;
  return { table: tables.get(tokens[0]!.value), name: tokens[2]!.text };
}

/** The conditions of ON clauses: what stands between ON and the next JOIN or the end. */
function joinConditions(from: readonly SqlToken[]): SqlToken[][] {
  return from.flatMap((token, i) => {
    if (!isWord(token, 'on')) return [];
    const isEnd = (other: SqlToken): boolean =>
      isWord(other, 'join', 'left', 'right', 'inner', 'cross', 'full') || other.text === ',';
    const end = from.findIndex((other, j) => j > i && isEnd(other));
    return splitConditions(from.slice(i + 1, end === -1 ? undefined : end));
  });
}

function readWanted(part: QueryPart, tables: ReadonlyMap<string, string>): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const of = (table: string): Wanted => {
    const known = wanted.get(table) ?? { equal: new Set(), range: new Set(), order: [] };
    wanted.set(table, known);
    return known;
  };
  const add = (column: Column | undefined, kind: 'equal' | 'range'): void => {
    if (column?.table !== undefined) of(column.table)[kind].add(column.name);
  };
  const conditions = [
    ...splitConditions(part.clauses.get('where') ?? NOTHING),
    ...joinConditions(part.clauses.get('from') ?? NOTHING),
  ];
  for (const condition of conditions) {
    const at = condition.findIndex((token) => token.kind === 'operator' || isWord(token, 'in', 'is', 'between'));
    const operator = condition[at];
    if (operator === undefined || condition.some((token) => isWord(token, 'or', 'not'))) continue;
    const kind = RANGES.has(operator.text) || isWord(operator, 'between') ? 'range' : 'equal';
    if (operator.kind === 'operator' && kind === 'equal' && operator.text !== '=' && operator.text !== '==') continue;
    add(asColumn(condition.slice(0, at), tables), kind);
    add(asColumn(condition.slice(at + 1), tables), kind);
  }
  const order = splitList(
    (part.clauses.get('order') ?? NOTHING).filter((token) => !isWord(token, 'by', 'asc', 'desc')),
  );
  const columns = order.map((item) => asColumn(item, tables));
  const table = columns[0]?.table;
  if (table !== undefined && columns.every((column) => column?.table === table)) {
    of(table).order.push(...columns.map((column) => column!.name));
  }
  return wanted;
}

function candidatesOf(table: string, { equal, range, order }: Wanted): IndexCandidate[] {
  const bases = [...equal];
  const [firstRange] = [...range].filter((column) => !equal.has(column));
  const sorted = order.filter((column) => !equal.has(column));
  const lists = [bases, [...bases, ...(firstRange === undefined ? [] : [firstRange])], [...bases, ...sorted]];
  const distinct = new Map(lists.filter((columns) => columns.length > 0).map((columns) => [columns.join(), columns]));
  return [...distinct.values()].map((columns) => ({ table, columns }));
}

/** Candidates, those with fewer columns first. */
export function indexCandidates(sql: string): IndexCandidate[] {
  return readStructure(sql)
    .flatMap((part) => {
      const target = part.clauses.get('update') ?? part.clauses.get('from') ?? NOTHING;
      return [...readWanted(part, readTables(target))].flatMap(([table, wanted]) => candidatesOf(table, wanted));
    })
    .sort((a, b) => a.columns.length - b.columns.length);
}
