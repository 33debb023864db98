/** Count, errors and latency of operations: since the start, and over the last minute. */
import { QuantileSketch } from './sketch.js';

/** Latencies and errors of one operation. */
export interface LatencySummary {
  readonly count: number;
  readonly errors: number;
  /** Share of errors, 0 … 1. */
  readonly errorRate: number;
  /** Milliseconds; percentiles within 1 %. */
  readonly averageLatency: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The totals of one operation. */
export class OperationStats {
  count = 0;
  errors = 0;
  #sum = 0;
  readonly #sketch = new QuantileSketch();

  record(duration: number, bin: number, isError: boolean): void {
    this.count++;
    if (isError) this.errors++;
    this.#sum += duration;
    this.#sketch.addBin(bin);
  }

  merge(other: OperationStats): void {
    this.count += other.count;
    this.errors += other.errors;
    this.#sum += other.#sum;
    this.#sketch.merge(other.#sketch);
  }

  clear(): void {
    this.count = 0;
    this.errors = 0;
    this.#sum = 0;
    this.#sketch.clear();
  }

  summary(): LatencySummary {
    const { count, errors } = this;
    return {
      count,
      errors,
      errorRate: count === 0 ? 0 : errors / count,
      averageLatency: count === 0 ? 0 : this.#sum / count,
      p50: this.#sketch.quantile(0.5),
      p95: this.#sketch.quantile(0.95),
      p99: this.#sketch.quantile(0.99),
    };
  }
}

const SLICES = 6;
const SLICE_LENGTH = 10_000;

/** The last minute, in slices of ten seconds that are reused in turn. */
export class RecentStats {
  readonly #slices = Array.from({ length: SLICES }, () => new OperationStats());
  readonly #turns: number[] = Array<number>(SLICES).fill(-1);
  readonly #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  record(now: number, duration: number, bin: number, isError: boolean): void {
    const turn = Math.floor(now / SLICE_LENGTH);
    const at = ((turn % SLICES) + SLICES) % SLICES;
    if (this.#turns[at] !== turn) {
      this.#slices[at]!.clear();
      this.#turns[at] = turn;
    }
    this.#slices[at]!.record(duration, bin, isError);
  }

  /** The latencies of the last minute, and the number of operations per second. */
  summary(now: number): LatencySummary & { readonly throughput: number } {
    const turn = Math.floor(now / SLICE_LENGTH);
    const total = new OperationStats();
    for (let i = 0; i < SLICES; i++) {
      if (this.#turns[i]! > turn - SLICES && this.#turns[i]! <= turn) total.merge(this.#slices[i]!);
    }
    // The oldest slice is complete only while the current one is young, so the window is the time that the slices
    // cover.
    const covered = Math.min(now - this.#startedAt, (SLICES - 1) * SLICE_LENGTH + (now - turn * SLICE_LENGTH));
    return { ...total.summary(), throughput: total.count / (Math.max(covered, 1000) / 1000) };
  }
}

/** Operations beyond the limit are counted under one name, because names may come from a client. */
export const OVERFLOW = '(other)';

/** Statistics by operation name, at most `limit` of them and one more for all others. */
export class OperationTable {
  readonly #byName = new Map<string, OperationStats>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The statistics of a name, made on its first use. */
  of(name: string): OperationStats {
    return this.#byName.get(name) ?? this.#add(name);
  }

  #add(name: string): OperationStats {
    const key = this.#byName.size < this.#limit ? name : OVERFLOW;
    let stats = this.#byName.get(key);
    if (stats === undefined) this.#byName.set(key, (stats = new OperationStats()));
    return stats;
  }

  summaries(): Record<string, LatencySummary> {
    return Object.fromEntries(Array.from(this.#byName, ([name, stats]) => [name, stats.summary()]));
  }
}
