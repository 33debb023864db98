/** The log lines that a page shows: those of the first answer, and what followed. */
import type { FoundLine } from '../../support/log-search.js';
import type { FleetLogs } from '../../web/fleet-logs.js';

/** Maximum number of lines on the page. Beyond it, the oldest are dropped. */
export const MOST_LINES = 600;

export type ShownLogs = Omit<FleetLogs, 'isWhole'>;

/**
 * The lines after an answer.
 *
 * @param from epoch milliseconds at which the time range begins now
 */
export function followed(before: ShownLogs | undefined, answer: FleetLogs, from: number): ShownLogs {
  const { isWhole, ...shown } = answer;
  // An answer with more lines than fit in it does not join the earlier ones without a gap.
  if (before === undefined || isWhole || answer.hasMore) return shown;
  const joined = [...before.lines, ...answer.lines].filter(({ at }) => at >= from).sort((a, b) => a.at - b.at);
  const lines = joined.slice(-MOST_LINES);
  return { ...shown, lines, hasMore: before.hasMore || joined.length > lines.length };
}

/** A key for a line: its instance belongs to one tail, which numbers its lines. */
export function keyOf({ instance, seq }: Pick<FoundLine, 'instance' | 'seq'>): string {
  return `${instance} ${seq}`;
}

export interface LogFilters {
  readonly text?: string;
  readonly level?: string;
  readonly service?: string;
  readonly instance?: string;
  readonly trace?: string;
}

const FILTERS = ['text', 'level', 'service', 'instance', 'trace'] as const;

/** The filters in the query of an address. */
export function filtersOf(query: Readonly<Record<string, string>>): LogFilters {
  return Object.fromEntries(FILTERS.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
}
