/** The time range of all views: `range=1h` up to now, or a fixed range `since=…&until=…` in epoch milliseconds. */

export const RANGES = {
  '15m': { label: '15 minutes', ms: 900_000 },
  '1h': { label: '1 hour', ms: 3_600_000 },
  '6h': { label: '6 hours', ms: 21_600_000 },
  '24h': { label: '24 hours', ms: 86_400_000 },
  '7d': { label: '7 days', ms: 604_800_000 },
} as const;

export type RangeName = keyof typeof RANGES;

/** How far back a comparison lies. */
export const COMPARISONS = {
  '1h': { label: 'an hour before', ms: 3_600_000 },
  '1d': { label: 'a day before', ms: 86_400_000 },
  '1w': { label: 'a week before', ms: 604_800_000 },
} as const;

export type ComparisonName = keyof typeof COMPARISONS;

const DEFAULT: RangeName = '15m';

type Query = Readonly<Record<string, string>>;

export interface TimeRange {
  /** Undefined for a fixed range. */
  readonly name: RangeName | undefined;
  readonly isLive: boolean;
  /** Milliseconds. */
  readonly length: number;
  /** Epoch milliseconds of a fixed range. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly compare: ComparisonName | undefined;
}

export function timeRangeOf(query: Query): TimeRange {
  const compare = nameIn(COMPARISONS, query['compare']);
  const { since, until } = fixedRange(query);
  if (since !== undefined && until !== undefined)
    return { name: undefined, isLive: false, length: until - since, since, until, compare };
  const name = nameIn(RANGES, query['range']) ?? DEFAULT;
  const length = RANGES[name].ms;
  return { name, isLive: true, length, since: undefined, until: undefined, compare };
}

function nameIn<T extends object>(names: T, name: string | undefined): keyof T | undefined {
  return name !== undefined && Object.hasOwn(names, name) ? (name as keyof T) : undefined;
}

function fixedRange(query: Query): { since?: number; until?: number } {
  const since = Number(query['since'] ?? NaN);
  const until = Number(query['until'] ?? NaN);
  return since > 0 && until > since ? { since, until } : {};
}

/** The parameters of the range that every link carries. */
export function rangeParameters(query: Query): Record<string, string> {
  const names = ['range', 'since', 'until', 'compare'];
  return Object.fromEntries(names.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));
}

/** The range in epoch milliseconds, at a time. */
export function boundsOf({ since, until, length }: TimeRange, now: number): { from: number; to: number } {
  if (since !== undefined && until !== undefined) return { from: since, to: until };
  return { from: Math.floor(now) - length, to: Math.floor(now) };
}
