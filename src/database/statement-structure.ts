/** A statement cut into its queries, and each query into its clauses: what the rules of `anti-patterns.ts` look at. */
import { KEYWORDS } from './sql-keywords.js';
import { tokenizeSql, type SqlToken } from './sql-tokens.js';

export type Clause =
  | ('select' | 'from' | 'where' | 'group' | 'having' | 'window' | 'order' | 'limit' | 'offset' | 'fetch')
  | ('insert' | 'update' | 'delete' | 'set' | 'values' | 'returning' | 'conflict' | 'with' | 'for');

/** One SELECT (or INSERT, UPDATE, DELETE), without those nested in it. */
export interface QueryPart {
  /** The tokens of each clause, its keyword left out; a nested query is one token of the value '(query)'. */
  readonly clauses: ReadonlyMap<Clause, readonly SqlToken[]>;
  /** The word before the parenthesis it stands in: 'in', 'exists', 'as', 'from', …; undefined for the outermost. */
  readonly context: string | undefined;
}

const CLAUSES: ReadonlySet<string> = new Set<Clause>([
  ...(['select', 'from', 'where', 'group', 'having', 'window', 'order', 'limit', 'offset', 'fetch'] as const),
  ...(['insert', 'update', 'delete', 'set', 'values', 'returning', 'conflict', 'with', 'for'] as const),
]);

const COMPOUNDS: ReadonlySet<string> = new Set(['union', 'intersect', 'except']);
const QUERY_STARTS: ReadonlySet<string> = new Set(['select', 'with', 'values', 'insert', 'update', 'delete']);

interface OpenPart {
  readonly clauses: Map<Clause, SqlToken[]>;
  readonly context: string | undefined;
  clause: Clause | undefined;
  depth: number;
}

export const isWord = (token: SqlToken | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.value);

/** A name: of a table, a column, a function. */
export const isName = (token: SqlToken | undefined): boolean =>
  token?.kind === 'quoted' || (token?.kind === 'word' && !KEYWORDS.has(token.value));

/** Whether this word begins a clause here; `is distinct from` and `conflict … do update set` look as if they did. */
function startsClause(part: OpenPart, token: SqlToken, before: SqlToken | undefined): boolean {
  if (token.kind !== 'word' || part.depth > 0 || !CLAUSES.has(token.value)) return false;
  if (part.clause === 'conflict') return token.value === 'returning';
  return !(token.value === 'from' && isWord(before, 'distinct'));
}

/** Cuts a statement into its queries, the outermost first. Tolerant, as the tokenizer is. */
export function readStructure(sql: string): QueryPart[] {
  const tokens = tokenizeSql(sql);
  const parts: OpenPart[] = [];
  const stack: OpenPart[] = [];
  const begin = (context: string | undefined): OpenPart => {
    const part: OpenPart = { clauses: new Map(), context, clause: undefined, depth: 0 };
    parts.push(part);
    return part;
  };
  let part = begin(undefined);
  tokens.forEach((token, i) => {
    const before = tokens[i - 1];
    if (token.text === '(' && QUERY_STARTS.has(tokens[i + 1]?.value ?? '')) {
      part.clauses.get(part.clause!)?.push({ ...token, value: '(query)' });
      stack.push(part);
      part = begin(before?.value);
    } else if (token.text === ')' && part.depth === 0 && stack.length > 0) {
      part = stack.pop()!;
    } else if (part.depth === 0 && token.kind === 'word' && COMPOUNDS.has(token.value)) {
      part = begin(part.context);
    } else if (startsClause(part, token, before)) {
      part.clause = token.value as Clause;
      part.clauses.set(part.clause, part.clauses.get(part.clause) ?? []);
    } else {
      part.depth += token.text === '(' ? 1 : token.text === ')' && part.depth > 0 ? -1 : 0;
      part.clauses.get(part.clause!)?.push(token);
    }
  });
  return parts;
}

/** The list cut at its commas, those inside parentheses left alone. */
export function splitList(tokens: readonly SqlToken[]): SqlToken[][] {
  const items: SqlToken[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.text === '(' && token.value !== '(query)') depth++;
    if (token.text === ')') depth--;
    if (token.text === ',' && depth === 0) items.push([]);
    else items.at(-1)!.push(token);
  }
  return items.filter((item) => item.length > 0);
}

/** The members of a conjunction: cut at the ANDs that are neither in parentheses nor part of a BETWEEN. */
export function splitConditions(tokens: readonly SqlToken[]): SqlToken[][] {
  const conditions: SqlToken[][] = [[]];
  let depth = 0;
  let isBetween = false;
  for (const token of tokens) {
    if (token.text === '(' && token.value !== '(query)') depth++;
    if (token.text === ')') depth--;
    if (depth === 0 && isWord(token, 'between')) isBetween = true;
    if (depth === 0 && isWord(token, 'and') && !isBetween) conditions.push([]);
    else conditions.at(-1)!.push(token);
    if (depth === 0 && isWord(token, 'and')) isBetween = false;
  }
  return conditions.filter((condition) => condition.length > 0);
}
