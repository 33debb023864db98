/** Statistics over a series of snapshots: trends, differences, comparisons and anomalies. All functions are pure. */
import { mannKendall, mean, median, robustScorer, standardDeviation, theilSen } from '../support/statistics.js';
import type { Snapshot } from './snapshot-store.js';
import { isCounter, type Metrics } from './sources.js';

export interface Point {
  readonly at: number;
  readonly value: number;
}

const HOUR = 3_600_000;

/**
 * A metric over time. A counter becomes its increase since the previous point. If a counter fell, its service
 * restarted, and its current value is the increase.
 */
export function seriesOf(snapshots: readonly Snapshot[], metric: string): Point[] {
  const points = snapshots.flatMap(({ at, metrics }) => {
    const value = metrics[metric];
    return value === undefined ? [] : { at, value };
  });
  if (!isCounter(metric)) return points;
  return points.slice(1).map(({ at, value }, i) => {
    const before = points[i]!.value;
    return { at, value: value >= before ? value - before : value };
  });
}

/** All metrics in any of the snapshots, in alphabetical order. */
export function metricNames(snapshots: readonly Snapshot[]): string[] {
  return [...new Set(snapshots.flatMap(({ metrics }) => Object.keys(metrics)))].sort();
}

/** Reduces the points to at most `most` by averaging neighbours, so that a trend over a week is fast to compute. */
export function thinned(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  const size = Math.ceil(points.length / most);
  const thin: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const group = points.slice(i, i + size);
    thin.push({ at: mean(group.map(({ at }) => at)), value: mean(group.map(({ value }) => value)) });
  }
  return thin;
}

export interface MetricTrend {
  readonly metric: string;
  readonly direction: 'rising' | 'falling' | 'steady' | 'unknown';
  /** Change of the value per hour (Theil–Sen); for a counter, the change of its increase. */
  readonly slopePerHour: number | null;
  /** Probability that a trend this strong occurs by chance (Mann–Kendall). */
  readonly p: number | null;
  readonly points: readonly Point[];
}

const MIN_POINTS = 8;
const MAX_POINTS = 120;
const SIGNIFICANT = 0.05;

/** Whether a metric rises or falls. At least eight points are needed. */
export function trendOf(snapshots: readonly Snapshot[], metric: string): MetricTrend {
  const points = thinned(seriesOf(snapshots, metric), MAX_POINTS);
  if (points.length < MIN_POINTS) return { metric, direction: 'unknown', slopePerHour: null, p: null, points };
  const values = points.map(({ value }) => value);
  const { p, s } = mannKendall(values);
  const step = (points.at(-1)!.at - points[0]!.at) / (points.length - 1);
  const slopePerHour = step === 0 ? 0 : (theilSen(values) * HOUR) / step;
  const direction = p >= SIGNIFICANT ? 'steady' : s > 0 ? 'rising' : 'falling';
  return { metric, direction, slopePerHour, p, points };
}

export interface Difference {
  readonly metric: string;
  readonly before: number | null;
  readonly after: number | null;
  /** after − before; null if either is missing. */
  readonly change: number | null;
  /** change ÷ before; null if `before` is missing or 0. */
  readonly ratio: number | null;
}

/** The differences between two sets of numbers, largest relative change first. */
export function differences(before: Metrics, after: Metrics): Difference[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.map((metric) => differenceOf(metric, before[metric] ?? null, after[metric] ?? null)).sort(bySize);
}

function differenceOf(metric: string, before: number | null, after: number | null): Difference {
  const change = before === null || after === null ? null : after - before;
  return { metric, before, after, change, ratio: change === null || !before ? null : change / Math.abs(before) };
}

function bySize(a: Difference, b: Difference): number {
  const size = ({ ratio, change }: Difference): number => Math.abs(ratio ?? (change === 0 ? 0 : (change ?? -1)));
  return size(b) - size(a) || (a.metric < b.metric ? -1 : 1);
}

export interface Comparison extends Difference {
  /** Difference of the means in pooled standard deviations (Cohen's d); null if the values do not vary. */
  readonly effect: number | null;
}

/** Compares two periods metric by metric: the means, and their distance relative to the variation. */
export function compareSpans(first: readonly Snapshot[], second: readonly Snapshot[]): Comparison[] {
  return metricNames([...first, ...second])
    .map((metric) => {
      const [a, b] = [first, second].map((span) => seriesOf(span, metric).map(({ value }) => value)) as [
        number[],
        number[],
      ];
      const difference = differenceOf(metric, a.length === 0 ? null : mean(a), b.length === 0 ? null : mean(b));
      const spread = Math.sqrt((standardDeviation(a) ** 2 + standardDeviation(b) ** 2) / 2);
      const effect = difference.change === null || spread === 0 ? null : difference.change / spread;
      return { ...difference, effect };
    })
    .sort(bySize);
}

export interface Anomaly {
  readonly metric: string;
  readonly at: number;
  readonly value: number;
  /** The usual value: the median. */
  readonly usual: number;
  /** Distance from the usual value in robust standard deviations. */
  readonly score: number;
}

const MIN_BACKGROUND = 10;

/** Values far from the others of their metric, farthest first. Iglewicz & Hoaglin use 3.5 as the threshold. */
export function anomaliesIn(snapshots: readonly Snapshot[], threshold: number, most: number): Anomaly[] {
  return metricNames(snapshots)
    .flatMap((metric) => {
      const points = seriesOf(snapshots, metric);
      if (points.length < MIN_BACKGROUND) return [];
      const values = points.map(({ value }) => value);
      const usual = median(values);
      const score = robustScorer(values);
      return points
        .map(({ at, value }) => ({ metric, at, value, usual, score: score(value) }))
        .filter((point) => Math.abs(point.score) > threshold);
    })
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score) || b.at - a.at)
    .slice(0, most);
}
