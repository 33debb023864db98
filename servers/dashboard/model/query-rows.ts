/** The statements of all instances as table rows: each statement of a service once, those with advice first. */
import type { QueryOptimizer, Suggestion } from '../../../src/index.js';

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
  /** By statement, as far as it is known. */
  readonly advice?: Readonly<Record<string, readonly Suggestion[]>>;
}

type Of<T> = T & { readonly instance: string };

export interface StatementRow {
  readonly service: string;
  readonly fingerprint: string;
  /** The instances that sent it, the one with the most time in it first. */
  readonly instances: readonly string[];
  readonly calls: number;
  readonly errors: number;
  readonly rows: number;
  /** Milliseconds; the percentile is that of the slowest instance. */
  readonly totalTime: number;
  readonly p95: number;
  readonly maxTime: number;
  /** Share of the total time of all rows. */
  readonly share: number;
  readonly suggestions: readonly Suggestion[];
  /** Whether the suggestions are known. Only the statements that cost most are analysed without being opened. */
  readonly isAnalysed: boolean;
  /** The calls that took longer than the threshold, the slowest first. */
  readonly slow: ReadonlyArray<Of<SlowQuery>>;
  /** Requests that sent it again and again, the most often first. */
  readonly repeated: ReadonlyArray<Of<RepeatedQuery>>;
}

/** Statements that control transactions or change the schema. No index makes them faster. */
const CONTROL = /^\s*(begin|commit|rollback|savepoint|release|create|alter|drop|pragma|vacuum|analyze|set|show)\b/i;

export function isControlStatement(fingerprint: string): boolean {
  return CONTROL.test(fingerprint);
}

/** The weights, the gravest first. A statement that one request repeats weighs as a warning does. */
const WEIGHTS = ['critical', 'warning', 'slow', 'info', 'none'] as const;
export type Weight = (typeof WEIGHTS)[number];

export function weightOf({ suggestions, slow, repeated }: StatementRow): Weight {
  if (suggestions.some(({ severity }) => severity === 'critical')) return 'critical';
  if (repeated.length > 0 || suggestions.some(({ severity }) => severity === 'warning')) return 'warning';
  if (slow.length > 0) return 'slow';
  return suggestions.length > 0 ? 'info' : 'none';
}

/**
 * Each statement of a service once: by the weight of its advice, and those of equal weight by total time.
 *
 * @param withControl whether transaction control and schema changes are included
 */
export function statementRows(told: readonly InstanceQueries[], withControl = false): StatementRow[] {
  const groups = new Map<string, [InstanceQueries, Statement][]>();
  for (const one of told)
    for (const statement of one.statements) {
      if (!withControl && isControlStatement(statement.fingerprint)) continue;
      const key = `${one.service} ${statement.fingerprint}`;
      groups.set(key, [...(groups.get(key) ?? []), [one, statement]]);
    }
  const rows = [...groups.values()].map(joined);
  const total = rows.reduce((sum, { totalTime }) => sum + totalTime, 0) || 1;
  return rows
    .map((row) => ({ ...row, share: row.totalTime / total }))
    .sort((a, b) => rankOf(a) - rankOf(b) || b.totalTime - a.totalTime);
}

function rankOf(row: StatementRow): number {
  return WEIGHTS.indexOf(weightOf(row));
}

function joined(parts: readonly [InstanceQueries, Statement][]): StatementRow {
  const sorted = [...parts].sort(([, a], [, b]) => b.totalTime - a.totalTime);
  const [[{ service }, { fingerprint }]] = sorted as [[InstanceQueries, Statement]];
  const sum = (of: (statement: Statement) => number): number => sorted.reduce((all, [, one]) => all + of(one), 0);
  const most = (of: (statement: Statement) => number): number => Math.max(...sorted.map(([, one]) => of(one)));
  const its = <T extends { fingerprint: string }>(of: (told: InstanceQueries) => readonly T[]): Of<T>[] =>
    sorted.flatMap(([told]) =>
      of(told)
        .filter((one) => one.fingerprint === fingerprint)
        .map((one) => ({ ...one, instance: told.instance })),
    );
  const suggestions = sorted.map(([{ advice }]) => advice?.[fingerprint]).find((known) => known !== undefined);
  return {
    ...{ service, fingerprint, share: 0 },
    instances: sorted.map(([{ instance }]) => instance),
    calls: sum(({ calls }) => calls),
    errors: sum(({ errors }) => errors),
    rows: sum((one) => one.rows),
    totalTime: sum(({ totalTime }) => totalTime),
    p95: most(({ p95 }) => p95),
    maxTime: most(({ maxTime }) => maxTime),
    suggestions: suggestions ?? [],
    isAnalysed: suggestions !== undefined,
    slow: its(({ slow }) => slow).sort((a, b) => b.duration - a.duration),
    repeated: its(({ repeated }) => repeated).sort((a, b) => b.count - a.count),
  };
}

/** The rows whose statement, service or advice contains the text, in any letter case. */
export function matchingStatements(rows: readonly StatementRow[], text: string): readonly StatementRow[] {
  const wanted = text.trim().toLowerCase();
  return rows.filter(({ fingerprint, service, suggestions }) =>
    [fingerprint, service, ...suggestions.map(({ message, rule }) => `${message} ${rule}`)].some((part) =>
      part.toLowerCase().includes(wanted),
    ),
  );
}
