/** Measures the load of an instance for scaling: CPU, memory, event loop and requests. */
import type { IntervalHistogram } from 'node:perf_hooks';
import { monotonicClock, startInterval, type Clock, type Timer } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, clock as clockCheck, func, positive } from '../shared/options.js';
import { RequestWindow } from './request-window.js';

/** How to measure the load of this process. */
export interface InstanceLoadOptions {
  /** Number of requests in progress. Default: not reported. */
  readonly inFlight?: () => number;
  /**
   * Number of requests or jobs that wait now, in addition to those that wait for the event loop. Default: not reported.
   */
  readonly queueDepth?: () => number;
  /** Window for the CPU and the event loop, in ms. Default 5000. */
  readonly window?: number;
  /** Window for the requests, in ms. Default 30,000. */
  readonly requestWindow?: number;
  /** Memory limit of the process in bytes. Default: the limit of its container. The heap limit applies as well. */
  readonly memoryLimit?: number;
  /** The clock. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** A report; all of it but `eventLoopLag` and `requests` is what `AutoScalingDecisionEngine.recordMetrics` takes. */
export interface LoadReport {
  /** Percent of one core over the window; more than 100 where threads help. Null until something was measured. */
  readonly cpu: number | null;
  /** Percent of the bound that is nearest: of the heap, or of the process. */
  readonly memory: number;
  /** Delay of the event loop in milliseconds, over the last whole window. Null until there was one. */
  readonly eventLoopLag: { readonly mean: number; readonly p99: number } | null;
  readonly inFlight: number | undefined;
  /**
   * Requests that wait: the given number, plus the requests that a late event loop has not started yet (rate × lag, by
   * Little's law). Undefined if neither is known.
   */
  readonly queueDepth: number | undefined;
  /** Number of requests that finished within the window. Without any, `p99` (ms) and `errorRate` (percent) are null. */
  readonly requests: number;
  readonly p99: number | null;
  readonly errorRate: number | null;
}

interface CpuReading {
  readonly at: number;
  /** Milliseconds of CPU time since the process started. */
  readonly used: number;
}

/** Readings that cover the window: so fine does it move. */
const STEPS = 10;
const RESOLUTION = 20;
/** Milliseconds that the event loop is late on any machine with other work to do. */
const USUAL_LAG = 10;
const NANO_TO_MS = 1e-6;

/**
 * Measures the process it runs in, independently of its readers. Call `record` for every request that ended.
 *
 * @throws TypeError or RangeError for an invalid option
 *
 * @example
 * import { InstanceLoad } from '@tooloo/resilience';
 *
 * const load = new InstanceLoad();
 * tracer.onRequest(({ duration, status }) => load.record(duration, status === undefined || status < 500));
 * app.get('/load', (_req, res) => void res.json(load.read()));
 */
export class InstanceLoad {
  readonly #inFlight: (() => number) | undefined;
  readonly #queueDepth: (() => number) | undefined;
  readonly #memoryLimit: number;
  readonly #clock: Clock;
  readonly #requests: RequestWindow;
  readonly #delay: IntervalHistogram = nodeModule('node:perf_hooks').monitorEventLoopDelay({ resolution: RESOLUTION });
  readonly #timers: readonly Timer[];
  #readings: CpuReading[];
  #lag: LoadReport['eventLoopLag'] = null;

  constructor(options?: InstanceLoadOptions) {
    const { inFlight, queueDepth, memoryLimit, clock, window, requestWindow } = checkOptions('InstanceLoad', options, {
      inFlight: func,
      queueDepth: func,
      window: positive,
      requestWindow: positive,
      memoryLimit: positive,
      clock: clockCheck,
    });
    this.#inFlight = inFlight;
    this.#queueDepth = queueDepth;
    this.#memoryLimit = memoryLimit ?? containerLimit();
    this.#clock = clock ?? monotonicClock;
    this.#requests = new RequestWindow(requestWindow ?? 30_000);
    this.#readings = [this.#readCpu()];
    this.#delay.enable();
    this.#timers = [
      startInterval(this.#clock, () => this.#step(), (window ?? 5000) / STEPS),
      startInterval(this.#clock, () => this.#readLag(), window ?? 5000),
    ];
  }

  /** Counts a finished request: its duration in milliseconds, and whether this side succeeded. */
  record(duration: number, ok: boolean): void {
    this.#requests.record(this.#clock.now(), duration, ok);
  }

  read(): LoadReport {
    const requests = this.#requests.read(this.#clock.now());
    return {
      cpu: this.#cpu(),
      memory: this.#memory(),
      eventLoopLag: this.#lag,
      inFlight: this.#inFlight?.(),
      queueDepth: this.#waiting(requests.requests),
      ...requests,
    };
  }

  /** Stops measuring. Idempotent. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#delay.disable();
  }

  #waiting(requests: number): number | undefined {
    const queued = this.#queueDepth?.();
    const lag = this.#lag === null ? 0 : this.#lag.mean - USUAL_LAG;
    if (lag <= 0) return queued;
    return (queued ?? 0) + (requests / this.#requests.window) * lag;
  }

  #step(): void {
    this.#readings = [...this.#readings.slice(-STEPS), this.#readCpu()];
  }

  #readCpu(): CpuReading {
    const { user, system } = process.cpuUsage();
    return { at: this.#clock.now(), used: (user + system) / 1000 };
  }

  #cpu(): number | null {
    const first = this.#readings[0]!;
    const last = this.#readings.at(-1)!;
    return last.at > first.at ? (100 * (last.used - first.used)) / (last.at - first.at) : null;
  }

  #memory(): number {
    const heap = process.memoryUsage().heapUsed / nodeModule('node:v8').getHeapStatistics().heap_size_limit;
    return 100 * Math.max(heap, process.memoryUsage.rss() / this.#memoryLimit);
  }

  #readLag(): void {
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds * NANO_TO_MS - RESOLUTION);
    // There was no measurement because the loop was blocked for the whole window, so the last value is kept.
    if (this.#delay.max > 0) this.#lag = { mean: late(this.#delay.mean), p99: late(this.#delay.percentile(99)) };
    this.#delay.reset();
  }
}

/** Memory limit of the container in bytes; infinite without one. Without a limit, Node returns 0 or a huge value. */
function containerLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < Number.MAX_SAFE_INTEGER ? limit : Infinity;
}
