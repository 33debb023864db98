/** Whether a condition limits the rows of a query, as far as its text shows. */
import type { SqlToken } from './sql-tokens.js';
import { isName, isWord, splitConditions, splitList, type QueryPart } from './statement-structure.js';

const NOTHING: readonly SqlToken[] = [];
const INEQUALITIES: ReadonlySet<string> = new Set(['<', '>', '<=', '>=', '<>', '!=']);
const LOWER: ReadonlySet<string> = new Set(['>', '>=']);
const UPPER: ReadonlySet<string> = new Set(['<', '<=']);

/** Operators that keep few rows where there is an index: equality, lists, patterns, containment. */
function isSelective(token: SqlToken, before: SqlToken | undefined): boolean {
  if (token.kind === 'operator')
    return !INEQUALITIES.has(token.text) && !['+', '-', '*', '/', '%', '::'].includes(token.text);
  return (
    isWord(token, 'in', 'is', 'like', 'ilike', 'between', 'match', 'similar', 'glob', 'regexp') &&
    !isWord(before, 'not')
  );
}

/** `a > ?`, `a <> ?`, `a IS NOT NULL`, `NOT …`: what most rows may pass. */
function passesMost(condition: readonly SqlToken[]): boolean {
  if (isWord(condition[0], 'not')) return true;
  const isNotNull = condition.some((token, i) => isWord(token, 'is') && isWord(condition[i + 1], 'not'));
  const isInequality = condition.some(({ kind, text }) => kind === 'operator' && INEQUALITIES.has(text));
  const isNegated = condition.some((token) => isWord(token, 'not'));
  const isOneOfMany = condition.some((token) => isWord(token, 'any', 'some'));
  if (isNotNull) return true;
  return (
    (isInequality || isNegated) && !isOneOfMany && !condition.some((token, i) => isSelective(token, condition[i - 1]))
  );
}

const has = (conditions: readonly SqlToken[][], operators: ReadonlySet<string>): boolean =>
  conditions.some((condition) => condition.some(({ kind, text }) => kind === 'operator' && operators.has(text)));

/** A column that equals a value, without OR: with an index on it, what else is asked of the rows costs little. */
export function hasEquality({ clauses }: QueryPart): boolean {
  return splitConditions(clauses.get('where') ?? NOTHING).some(
    (condition) =>
      isName(condition[0]) &&
      !condition.some((token) => isWord(token, 'or')) &&
      (['=', '=='].includes(condition[1]?.text ?? '') || (condition[1]?.text === '.' && condition[3]?.text === '=')),
  );
}

/** Whether a FROM list reads a query, a name of WITH or a function: how many rows these give, their text does not tell. */
export function readsDerived({ clauses, statement }: QueryPart): boolean {
  const from = clauses.get('from') ?? NOTHING;
  return from.some((token, i) => {
    if (token.value === '(query)') return true;
    if (!isName(token)) return false;
    return statement.withNames.has(token.value) || (from[i + 1]?.text === '(' && !isWord(from[i - 1], 'as'));
  });
}

/** Whether all that FROM reads are such. */
export function readsOnlyDerived(part: QueryPart): boolean {
  return splitList(part.clauses.get('from') ?? NOTHING).every((item) =>
    readsDerived({ ...part, clauses: new Map([['from', item]]) }),
  );
}

/** Whether the conditions may let most rows pass. A lower and an upper bound together are a range. */
export function letsMostPass({ clauses }: QueryPart): boolean {
  const conditions = splitConditions(clauses.get('where') ?? NOTHING);
  return conditions.every(passesMost) && !(has(conditions, LOWER) && has(conditions, UPPER));
}
