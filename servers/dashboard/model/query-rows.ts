/** The statements of all instances as rows of tables. */
import type { QueryOptimizer } from '../../../src/index.js';

type Statement = ReturnType<QueryOptimizer['getStats']>['statements'][number];
type SlowQuery = ReturnType<QueryOptimizer['getSlowQueries']>[number];
type RepeatedQuery = ReturnType<QueryOptimizer['getRepeatedQueries']>[number];

/** What one instance tells of its queries. */
export interface InstanceQueries {
  readonly service: string;
  readonly instance: string;
  readonly statements: readonly Statement[];
  readonly slow: readonly SlowQuery[];
  readonly repeated: readonly RepeatedQuery[];
}

type Of<T> = T & { readonly instance: string };

/** Statements by what they cost in all, the most expensive first; `share` of the cost of all. */
export function statementRows(told: readonly InstanceQueries[]): Array<Of<Statement> & { readonly share: number }> {
  const rows = told.flatMap(({ instance, statements }) => statements.map((one) => ({ ...one, instance })));
  const total = rows.reduce((sum, { totalTime }) => sum + totalTime, 0) || 1;
  return rows.map((row) => ({ ...row, share: row.totalTime / total })).sort((a, b) => b.totalTime - a.totalTime);
}

/** Slow ones, the latest first. */
export function slowRows(told: readonly InstanceQueries[]): Array<Of<SlowQuery>> {
  const rows = told.flatMap(({ instance, slow }) => slow.map((one) => ({ ...one, instance })));
  return rows.sort((a, b) => b.at - a.at);
}

/** Those one request sent most often first. */
export function repeatedRows(told: readonly InstanceQueries[]): Array<Of<RepeatedQuery>> {
  const rows = told.flatMap(({ instance, repeated }) => repeated.map((one) => ({ ...one, instance })));
  return rows.sort((a, b) => b.count - a.count);
}
