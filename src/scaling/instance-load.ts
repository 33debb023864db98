/** What an instance tells of itself so that its service can be scaled: processor, memory, event loop, requests. */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { monotonicClock, startInterval, type Clock, type Timer } from '../shared/clock.js';
import { checkOptions, clock as clockCheck, func, positive } from '../shared/options.js';
import { RequestWindow } from './request-window.js';

/** What the load of this process is measured by. */
export interface InstanceLoadOptions {
  /** Requests being served now. Default: not told. */
  readonly inFlight?: () => number;
  /** Requests or jobs waiting now. Default: not told. */
  readonly queueDepth?: () => number;
  /** Time the processor and the event loop are looked at over, in ms. Default 5000. */
  readonly window?: number;
  /** Time the requests are looked at over, in ms. Default 30,000. */
  readonly requestWindow?: number;
  /** Bytes the process may use. Default: what its container allows; the bound of the heap counts as well. */
  readonly memoryLimit?: number;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** A report; all of it but `eventLoopLag` and `requests` is what `AutoScalingDecisionEngine.recordMetrics` takes. */
export interface LoadReport {
  /** Percent of one core over the window; more than 100 where threads help. Null until something was measured. */
  readonly cpu: number | null;
  /** Percent of the bound that is nearest: of the heap, or of the process. */
  readonly memory: number;
  /** Milliseconds that turns of the event loop came late, over the last whole window. Null until there was one. */
  readonly eventLoopLag: { readonly mean: number; readonly p99: number } | null;
  readonly inFlight: number | undefined;
  readonly queueDepth: number | undefined;
  /** Requests that ended within the window; p99 in ms and failures in percent are null when there were none. */
  readonly requests: number;
  readonly p99: number | null;
  readonly errorRate: number | null;
}

interface CpuReading {
  readonly at: number;
  /** Milliseconds of processor time since the process began. */
  readonly used: number;
}

/** Readings that cover the window: so fine does it move. */
const STEPS = 10;
const RESOLUTION = 20;
const NANO_TO_MS = 1e-6;

/**
 * Measures the process it is in, whoever reads and how often. Tell it of each request that ended.
 *
 * ```ts
 * const load = new InstanceLoad({ inFlight: () => server.inFlight });
 * tracer.onRequest(({ duration, status }) => load.record(duration, status === undefined || status < 500));
 * app.get('/load', (req, res) => res.json(load.read()));
 * ```
 *
 * @throws TypeError or RangeError for a wrong option
 */
export class InstanceLoad {
  readonly #inFlight: (() => number) | undefined;
  readonly #queueDepth: (() => number) | undefined;
  readonly #memoryLimit: number;
  readonly #clock: Clock;
  readonly #requests: RequestWindow;
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION });
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

  /** Counts a request that ended: milliseconds, and whether this side did what it should. */
  record(duration: number, ok: boolean): void {
    this.#requests.record(this.#clock.now(), duration, ok);
  }

  read(): LoadReport {
    return {
      cpu: this.#cpu(),
      memory: this.#memory(),
      eventLoopLag: this.#lag,
      inFlight: this.#inFlight?.(),
      queueDepth: this.#queueDepth?.(),
      ...this.#requests.read(this.#clock.now()),
    };
  }

  /** Stops measuring. Idempotent. */
  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#delay.disable();
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
    const heap = process.memoryUsage().heapUsed / getHeapStatistics().heap_size_limit;
    return 100 * Math.max(heap, process.memoryUsage.rss() / this.#memoryLimit);
  }

  #readLag(): void {
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds * NANO_TO_MS - RESOLUTION);
    // Nothing was seen while the loop stood still for the whole window: what is known stays.
    if (this.#delay.max > 0) this.#lag = { mean: late(this.#delay.mean), p99: late(this.#delay.percentile(99)) };
    this.#delay.reset();
  }
}

/** Bytes the container allows; infinite without one. Node answers 0, or more than any machine has, where there is none. */
function containerLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < Number.MAX_SAFE_INTEGER ? limit : Infinity;
}
