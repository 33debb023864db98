/**
 * What a stretch of time added up to: count, errors and latencies as bins of equal relative width (DDSketch), so that it
 * travels as JSON and tallies of several instances add up to one whose percentiles are within 1 %.
 */

const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const BINS_PER_E = 1 / Math.log(GAMMA);

/** Milliseconds: what is faster counts as this fast. */
const SMALLEST = 1e-3;

/** The slowest request of a tally, to be looked at: a trace of that id may have been kept. */
export interface Slowest {
  readonly traceId: string;
  /** Milliseconds. */
  readonly duration: number;
}

export interface Tally {
  count: number;
  errors: number;
  /** How many latencies lie in a bin, by the bin's number; see `latencyOf`. */
  bins: Record<number, number>;
  slowest?: Slowest;
}

export function newTally(): Tally {
  return { count: 0, errors: 0, bins: {} };
}

/** Counts one more. `duration` is milliseconds. */
export function record(tally: Tally, duration: number, ok: boolean, traceId?: string): void {
  const bin = Math.ceil(Math.log(Math.max(duration, SMALLEST)) * BINS_PER_E);
  tally.count++;
  if (!ok) tally.errors++;
  tally.bins[bin] = (tally.bins[bin] ?? 0) + 1;
  if (traceId !== undefined) keepSlowest(tally, { traceId, duration });
}

/** Adds what another tally counted. */
export function merge(into: Tally, other: Readonly<Tally>): void {
  into.count += other.count;
  into.errors += other.errors;
  for (const [bin, count] of Object.entries(other.bins)) {
    const number = Number(bin);
    into.bins[number] = (into.bins[number] ?? 0) + count;
  }
  if (other.slowest !== undefined) keepSlowest(into, other.slowest);
}

function keepSlowest(tally: Tally, slowest: Slowest): void {
  if (tally.slowest === undefined || slowest.duration > tally.slowest.duration) tally.slowest = slowest;
}

/** The latency a bin stands for, in milliseconds, within 1 %. */
export function latencyOf(bin: number): number {
  return (2 * GAMMA ** bin) / (GAMMA + 1);
}

/** The latencies that the shares `qs` (0 … 1, ascending) do not exceed, in milliseconds; undefined of nothing. */
export function quantiles({ bins }: Readonly<Tally>, qs: readonly number[]): number[] | undefined {
  const sorted = Object.entries(bins)
    .map(([bin, count]) => [Number(bin), count] as const)
    .sort(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return undefined;
  let at = 0;
  let seen = sorted[0]![1];
  return qs.map((q) => {
    const rank = q * (total - 1);
    while (seen <= rank && at < sorted.length - 1) seen += sorted[++at]![1];
    return latencyOf(sorted[at]![0]);
  });
}
