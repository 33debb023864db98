/**
 * Totals over a period: count, errors, and latencies in bins of equal relative width (DDSketch). A tally is plain JSON.
 * Tallies of several instances can be added, and the percentiles of the sum are within 1 %.
 */

import type { RequestEnd } from '../../src/index.js';

const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const BINS_PER_E = 1 / Math.log(GAMMA);

/** Milliseconds. Faster requests count as this value. */
const SMALLEST = 1e-3;

/** A request whose trace is kept, so that it can be looked at. */
export interface Example {
  readonly traceId: string;
  /** Milliseconds. */
  readonly duration: number;
}

/** How requests ended. Rejections by a rate limit (429) are apart, because they are neither errors nor successes. */
export const STATUS_CLASSES = ['2xx', '3xx', '4xx', '429', '5xx', 'aborted'] as const;

export type StatusClass = (typeof STATUS_CLASSES)[number];

export type StatusCounts = Partial<Record<StatusClass, number>>;

export interface Tally {
  count: number;
  errors: number;
  /** Number of latencies per bin number; see `latencyOf`. */
  bins: Record<number, number>;
  /** Milliseconds of the slowest request. */
  slowest: number;
  /** The slowest of the requests whose trace is kept. */
  example?: Example;
  /** Requests by the class of their status; empty for calls to other services. */
  statuses: StatusCounts;
}

export function newTally(): Tally {
  return { count: 0, errors: 0, bins: {}, slowest: 0, statuses: {} };
}

/** Records one call. `duration` is in milliseconds. */
export function record(tally: Tally, duration: number, ok: boolean): void {
  const bin = Math.ceil(Math.log(Math.max(duration, SMALLEST)) * BINS_PER_E);
  tally.count++;
  if (!ok) tally.errors++;
  tally.bins[bin] = (tally.bins[bin] ?? 0) + 1;
  if (duration > tally.slowest) tally.slowest = duration;
}

/** Records one request that was served. */
export function recordRequest(tally: Tally, { duration, status, traceId, kept }: ServedRequest): void {
  record(tally, duration, isSuccess(status));
  const name = statusClass(status);
  tally.statuses[name] = (tally.statuses[name] ?? 0) + 1;
  if (kept) keepSlowest(tally, { traceId, duration });
}

export type ServedRequest = Pick<RequestEnd, 'duration' | 'status' | 'traceId' | 'kept'>;

/** Whether the service did what it should: an error of the client counts as a success. */
export function isSuccess(status: number | undefined): boolean {
  return status !== undefined && status < 500;
}

/** @param status undefined for a request that was aborted */
export function statusClass(status: number | undefined): StatusClass {
  if (status === undefined) return 'aborted';
  if (status === 429) return '429';
  if (status >= 500) return '5xx';
  return status >= 400 ? '4xx' : status >= 300 ? '3xx' : '2xx';
}

/** Adds the counts of another tally. */
export function merge(into: Tally, other: Readonly<Tally>): void {
  into.count += other.count;
  into.errors += other.errors;
  for (const [bin, count] of Object.entries(other.bins)) {
    const number = Number(bin);
    into.bins[number] = (into.bins[number] ?? 0) + count;
  }
  into.slowest = Math.max(into.slowest, other.slowest);
  addStatuses(into.statuses, other.statuses);
  if (other.example !== undefined) keepSlowest(into, other.example);
}

/** Adds counts by status class. */
export function addStatuses(into: StatusCounts, other: Readonly<StatusCounts>): void {
  for (const name of STATUS_CLASSES) {
    const count = other[name];
    if (count !== undefined) into[name] = (into[name] ?? 0) + count;
  }
}

function keepSlowest(tally: Tally, example: Example): void {
  if (tally.example === undefined || example.duration > tally.example.duration) tally.example = example;
}

/** The latency of a bin in milliseconds, within 1 %. */
export function latencyOf(bin: number): number {
  return (2 * GAMMA ** bin) / (GAMMA + 1);
}

/** The quantiles `qs` (0 … 1, ascending) of the latencies, in milliseconds; undefined for an empty tally. */
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
