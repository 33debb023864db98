/** The statements of all instances as table rows. */
import type { QueryOptimizer } from '../../../src/index.js';

type Statement = ReturnType<QueryOptimizer['getStats']>['statements'][number];
type SlowQuery = ReturnType<QueryOptimizer['getSlowQueries']>[number];
type RepeatedQuery = ReturnType<QueryOptimizer['getRepeatedQueries']>[number];

/** The query figures of one instance. */
export interface InstanceQueries {
  readonly service: string;
  readonly instance: string;
  readonly statements: readonly Statement[];
  readonly slow: readonly SlowQuery[];
  readonly repeated: readonly RepeatedQuery[];
}

type Of<T> = T & { readonly instance: string };

/** Statements that control transactions or change the schema. No index makes them faster. */
const CONTROL = /^\s*(begin|commit|rollback|savepoint|release|create|alter|drop|pragma|vacuum|analyze|set|show)\b/i;

/**
 * Statements by total time, the highest first; `share` is the share of the total of all statements. Transaction control
 * and schema changes are left out.
 */
export function statementRows(told: readonly InstanceQueries[]): Array<Of<Statement> & { readonly share: number }> {
  const rows = told.flatMap(({ instance, statements }) =>
    statements.filter(({ fingerprint }) => !CONTROL.test(fingerprint)).map((one) => ({ ...one, instance })),
  );
  const total = rows.reduce((sum, { totalTime }) => sum + totalTime, 0) || 1;
  return rows.map((row) => ({ ...row, share: row.totalTime / total })).sort((a, b) => b.totalTime - a.totalTime);
}

/** Slow queries, newest first. */
export function slowRows(told: readonly InstanceQueries[]): Array<Of<SlowQuery>> {
  const rows = told.flatMap(({ instance, slow }) => slow.map((one) => ({ ...one, instance })));
  return rows.sort((a, b) => b.at - a.at);
}

/** Queries repeated within one request, the most frequent first. */
export function repeatedRows(told: readonly InstanceQueries[]): Array<Of<RepeatedQuery>> {
  const rows = told.flatMap(({ instance, repeated }) => repeated.map((one) => ({ ...one, instance })));
  return rows.sort((a, b) => b.count - a.count);
}
