/** Adds up the metrics of the processes of one service. */
import type { ExposedMetric, Sample } from './exposition.js';

/**
 * Gauges of which the highest value stands for all: shares, delays, percentiles, and the start of a process. Every other
 * gauge is an amount.
 */
const HIGHEST = /_ratio$|_lag_|_(?:p\d+|mean|max|min)_|_start_time_/;
/** The start of a process, which distinguishes a restarted process from the one before. */
const START = 'process_start_time_seconds';

type Combine = (before: number, value: number) => number;

const add: Combine = (before, value) => before + value;

function combineFor({ name, type }: ExposedMetric): Combine {
  return type === 'gauge' && HIGHEST.test(name) ? Math.max : add;
}

function keyOf({ metricName = '', labels = {} }: Sample): string {
  return JSON.stringify([metricName, ...Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Quantiles of several processes have no sum; the count and the sum of a summary have. */
function isSummable({ labels = {} }: Sample): boolean {
  return !('quantile' in labels);
}

function latest(a: Sample['exemplar'], b: Sample['exemplar']): Sample['exemplar'] {
  if (a === undefined || b === undefined) return a ?? b;
  return a.timestamp >= b.timestamp ? a : b;
}

/**
 * One family of each name: counters, histograms and amounts added, of shares, delays and percentiles the highest, and
 * quantiles left out. The first type and help stand.
 */
export function sumFamilies(parts: readonly (readonly ExposedMetric[])[]): ExposedMetric[] {
  const families = new Map<string, { readonly family: ExposedMetric; readonly samples: Map<string, Sample> }>();
  for (const metric of parts.flat()) {
    let sums = families.get(metric.name);
    if (sums === undefined) families.set(metric.name, (sums = { family: metric, samples: new Map() }));
    if (sums.family.type !== metric.type) continue;
    const combine = combineFor(metric);
    for (const sample of metric.samples.filter(isSummable)) {
      const key = keyOf(sample);
      const before = sums.samples.get(key);
      const value = before === undefined ? sample.value : combine(before.value, sample.value);
      const exemplar = latest(before?.exemplar, sample.exemplar);
      sums.samples.set(key, { ...sample, value, ...(exemplar !== undefined && { exemplar }) });
    }
  }
  return Array.from(families.values(), ({ family, samples }) => ({ ...family, samples: [...samples.values()] }));
}

/** The families of one process; undefined while it does not answer. */
export type ProcessMetrics = ReadonlyMap<string, readonly ExposedMetric[] | undefined>;

interface Known {
  readonly start: number | undefined;
  readonly families: readonly ExposedMetric[];
}

function startOf(families: readonly ExposedMetric[]): number | undefined {
  return families.find(({ name }) => name === START)?.samples[0]?.value;
}

const isCount = ({ type }: ExposedMetric): boolean => type !== 'gauge';

/**
 * The sum over processes that come and go. A process that does not answer counts with what it said last, and one that is
 * gone with its final counts: otherwise the sum would fall, which Prometheus takes for a restart.
 */
export class MetricSums {
  readonly #known = new Map<string, Known>();
  #departed: readonly ExposedMetric[] = [];

  /** @param current every process there is now */
  update(current: ProcessMetrics): ExposedMetric[] {
    for (const [id, { families }] of this.#known) if (!current.has(id)) this.#depart(id, families);
    for (const [id, families] of current) {
      if (families === undefined) continue;
      const before = this.#known.get(id);
      const start = startOf(families);
      if (before !== undefined && before.start !== start) this.#depart(id, before.families);
      this.#known.set(id, { start, families });
    }
    return sumFamilies([...Array.from(this.#known.values(), ({ families }) => families), this.#departed]);
  }

  #depart(id: string, families: readonly ExposedMetric[]): void {
    this.#departed = sumFamilies([this.#departed, families.filter(isCount)]);
    this.#known.delete(id);
  }
}
