/** The cost of each statement shape, in bounded memory. */
import { LRUCache } from 'lru-cache';
import { LatencyHistogram } from './latency-histogram.js';

/** One statement shape. Durations in milliseconds. */
export interface QueryStatistics {
  /** The statement without its values. */
  readonly fingerprint: string;
  readonly calls: number;
  readonly errors: number;
  readonly totalTime: number;
  readonly meanTime: number;
  readonly p95: number;
  readonly p99: number;
  readonly maxTime: number;
  /** Rows returned or changed. */
  readonly rows: number;
  /** Whether some of the calls were counted by a sample of them: see the option `shapeBudget`. */
  readonly isEstimated: boolean;
}

class Entry {
  calls = 0;
  errors = 0;
  totalTime = 0;
  maxTime = 0;
  rows = 0;
  isEstimated = false;
  readonly histogram = new LatencyHistogram();
}

/** The least recently seen shapes are forgotten when there are more than `maxShapes`. */
export class StatisticsTable {
  readonly #entries: LRUCache<string, Entry>;
  #forgotten = 0;

  constructor(maxShapes: number) {
    this.#entries = new LRUCache({
      max: maxShapes,
      dispose: (_entry, _key, reason) => {
        if (reason === 'evict') this.#forgotten++;
      },
    });
  }

  /** Shapes forgotten to make room. */
  get forgotten(): number {
    return this.#forgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param times how many statements this one stands for */
  record(fingerprint: string, duration: number, rows: number, isError: boolean, times = 1): void {
    let entry = this.#entries.get(fingerprint);
    if (entry === undefined) this.#entries.set(fingerprint, (entry = new Entry()));
    entry.calls += times;
    if (isError) entry.errors += times;
    entry.rows += times * rows;
    entry.totalTime += times * duration;
    if (times > 1) entry.isEstimated = true;
    entry.maxTime = Math.max(entry.maxTime, duration);
    entry.histogram.record(duration, times);
  }

  /** Every shape, the most expensive in total first. */
  list(): QueryStatistics[] {
    return [...this.#entries.entries()]
      .map(([fingerprint, { histogram, ...entry }]) => ({
        fingerprint,
        ...entry,
        meanTime: entry.totalTime / entry.calls,
        p95: Math.min(histogram.quantile(0.95), entry.maxTime),
        p99: Math.min(histogram.quantile(0.99), entry.maxTime),
      }))
      .sort((a, b) => b.totalTime - a.totalTime);
  }

  clear(): void {
    this.#entries.clear();
  }
}
