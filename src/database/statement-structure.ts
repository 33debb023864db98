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
  /** The queries nested in it, by the tokens that stand for them. */
  readonly nested: ReadonlyMap<SqlToken, QueryPart>;
  /** What the whole statement has in common. */
  readonly statement: StatementFacts;
}

export interface StatementFacts {
  /** Names that `WITH` gives to queries. */
  readonly withNames: ReadonlySet<string>;
  /** Whether a LIMIT or FETCH stands outside of all parentheses: with UNION and its like it holds for all parts. */
  isLimited: boolean;
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
  readonly nested: Map<SqlToken, QueryPart>;
  readonly statement: StatementFacts;
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

/** The names before `as (`, `as materialized (` and with a list of columns between. */
function namesOfWith(tokens: readonly SqlToken[]): ReadonlySet<string> {
  const names = new Set<string>();
  if (!tokens.some((token) => isWord(token, 'with'))) return names;
  tokens.forEach((token, i) => {
    if (!isWord(token, 'as') || !tokens.slice(i + 1, i + 4).some(({ text }) => text === '(')) return;
    let at = i - 1;
    if (tokens[at]?.text === ')') while (at > 0 && tokens[at]!.text !== '(') at--;
    const name = tokens[at]?.text === '(' ? tokens[at - 1] : tokens[at];
    if (name !== undefined && isName(name)) names.add(name.value);
  });
  return names;
}

/** Statements whose text the rules are about, and what may stand before them. */
const JUDGED: ReadonlySet<string> = new Set(['select', 'with', 'insert', 'update', 'delete', 'values']);

/** Definitions, grants, declarations and MERGE use the same words with another meaning. */
function isJudged(tokens: readonly SqlToken[]): boolean {
  const first = tokens.find(({ text }) => text !== '(');
  return (
    JUDGED.has(first?.value ?? '') &&
    !tokens.some((token, i) => isWord(token, 'merge') && isWord(tokens[i + 1], 'into'))
  );
}

/** Reads the parts of one statement. */
class StructureReader {
  readonly parts: OpenPart[] = [];
  readonly #tokens: readonly SqlToken[];
  readonly #stack: OpenPart[] = [];
  readonly #statement: StatementFacts;
  #part: OpenPart;

  constructor(tokens: readonly SqlToken[]) {
    this.#tokens = tokens;
    this.#statement = { withNames: namesOfWith(tokens), isLimited: false };
    this.#part = this.#begin(undefined);
  }

  read(): QueryPart[] {
    this.#tokens.forEach((token, i) => this.#take(token, i));
    return this.parts;
  }

  #begin(context: string | undefined): OpenPart {
    const [nested, statement] = [new Map<SqlToken, QueryPart>(), this.#statement];
    const part: OpenPart = { clauses: new Map(), context, nested, statement, clause: undefined, depth: 0 };
    this.parts.push(part);
    return part;
  }

  #take(token: SqlToken, i: number): void {
    const part = this.#part;
    const before = this.#tokens[i - 1];
    if (token.text === '(' && QUERY_STARTS.has(this.#tokens[i + 1]?.value ?? '')) {
      this.#nest(token, before);
    } else if (token.text === ')' && part.depth === 0 && this.#stack.length > 0) {
      this.#part = this.#stack.pop()!;
    } else if (part.depth === 0 && token.kind === 'word' && COMPOUNDS.has(token.value)) {
      this.#part = this.#begin(part.context);
    } else if (startsClause(part, token, before)) {
      this.#startClause(token.value as Clause);
    } else {
      part.depth += token.text === '(' ? 1 : token.text === ')' && part.depth > 0 ? -1 : 0;
      part.clauses.get(part.clause!)?.push(token);
    }
  }

  #nest(token: SqlToken, before: SqlToken | undefined): void {
    const outer = this.#part;
    const stands: SqlToken = { ...token, value: '(query)' };
    outer.clauses.get(outer.clause!)?.push(stands);
    this.#stack.push(outer);
    this.#part = this.#begin(before?.value);
    outer.nested.set(stands, this.#part);
  }

  #startClause(clause: Clause): void {
    const part = this.#part;
    part.clause = clause;
    part.clauses.set(clause, part.clauses.get(clause) ?? []);
    if (this.#stack.length === 0 && (clause === 'limit' || clause === 'fetch')) this.#statement.isLimited = true;
  }
}

/** The statements of a text, cut at the semicolons. */
function splitStatements(tokens: readonly SqlToken[]): SqlToken[][] {
  const statements: SqlToken[][] = [[]];
  for (const token of tokens) {
    if (token.text === ';') statements.push([]);
    else statements.at(-1)!.push(token);
  }
  return statements;
}

/**
 * Splits a text into its queries, the outermost of each statement first. Tolerant, as the tokenizer is. Statements that
 * neither read nor change rows (definitions, rights, cursors) and MERGE have none.
 */
export function readStructure(sql: string): QueryPart[] {
  const tokens = tokenizeSql(sql);
  if (!isJudged(tokens)) return [];
  return splitStatements(tokens)
    .filter(isJudged)
    .flatMap((statement) => new StructureReader(statement).read());
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
