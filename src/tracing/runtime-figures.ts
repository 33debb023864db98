/** How the process is doing: event loop, garbage collection, memory, handles. Named as prom-client's default metrics are. */
import type { IntervalHistogram, PerformanceObserver } from 'node:perf_hooks';
import { wallClock } from '../shared/clock.js';
import { nodeModule } from '../shared/node-modules.js';
import { counter, gauge, histogramSamples, type ExposedMetric } from './exposition.js';

function gcKinds(): Readonly<Record<number, string>> {
  const { constants } = nodeModule('node:perf_hooks');
  return {
    [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
    [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
    [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
    [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
  };
}

const GC_BOUNDS = [0.001, 0.01, 0.1, 1, 2, 5] as const;
const DELAY_RESOLUTION = 20;
const NANO = 1e-9;
const MILLI = 1e-3;

/** The additional detail of a garbage collection entry. */
interface GcEntry {
  readonly duration: number;
  readonly detail?: unknown;
}

interface GcFigures {
  count: number;
  sum: number;
  readonly buckets: number[];
}

export class RuntimeFigures {
  readonly #delay: IntervalHistogram = nodeModule('node:perf_hooks').monitorEventLoopDelay({
    resolution: DELAY_RESOLUTION,
  });
  readonly #gcKinds = gcKinds();
  readonly #gc = new Map<string, GcFigures>();
  readonly #observer: PerformanceObserver;
  readonly #startedAt = wallClock.now() / 1000 - process.uptime();

  constructor() {
    this.#delay.enable();
    const { PerformanceObserver: Observer } = nodeModule('node:perf_hooks');
    this.#observer = new Observer((list) => {
      for (const { duration, detail } of list.getEntries() as GcEntry[])
        this.#collected((detail as { kind?: number } | undefined)?.kind, duration);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  close(): void {
    this.#delay.disable();
    this.#observer.disconnect();
  }

  /** All current figures. Event-loop delays are those since the last reading. */
  metrics(): ExposedMetric[] {
    return [...this.#eventLoop(), this.#gcMetric(), ...memory(), ...this.#process()];
  }

  #collected(kind: number | undefined, duration: number): void {
    const name = this.#gcKinds[kind ?? -1] ?? 'other';
    const seconds = duration * MILLI;
    let figures = this.#gc.get(name);
    if (figures === undefined) {
      this.#gc.set(name, (figures = { count: 0, sum: 0, buckets: Array<number>(GC_BOUNDS.length + 1).fill(0) }));
    }
    const bucket = GC_BOUNDS.findIndex((bound) => seconds <= bound);
    figures.count++;
    figures.sum += seconds;
    figures.buckets[bucket === -1 ? GC_BOUNDS.length : bucket]!++;
  }

  #eventLoop(): ExposedMetric[] {
    const delay = this.#delay;
    const hasValues = delay.exceeds > 0 || delay.max > 0;
    const seconds = (nanoseconds: number): number =>
      hasValues ? Math.max(0, nanoseconds * NANO - DELAY_RESOLUTION * MILLI) : 0;
    const metrics = [
      gauge(
        'nodejs_eventloop_lag_mean_seconds',
        'Mean delay of the event loop since the last scrape.',
        seconds(delay.mean),
      ),
      gauge(
        'nodejs_eventloop_lag_max_seconds',
        'Longest delay of the event loop since the last scrape.',
        seconds(delay.max),
      ),
      gauge('nodejs_eventloop_lag_p50_seconds', 'Median delay of the event loop.', seconds(delay.percentile(50))),
      gauge(
        'nodejs_eventloop_lag_p99_seconds',
        '99th percentile of the delay of the event loop.',
        seconds(delay.percentile(99)),
      ),
    ];
    delay.reset();
    return metrics;
  }

  #gcMetric(): ExposedMetric {
    const name = 'nodejs_gc_duration_seconds';
    const samples = [...this.#gc].flatMap(([kind, figures]) => histogramSamples(name, GC_BOUNDS, { kind }, figures));
    return { name, help: 'Garbage collection by kind.', type: 'histogram', samples };
  }

  #process(): ExposedMetric[] {
    const { user, system } = process.cpuUsage();
    const handles = new Map<string, number>();
    for (const type of process.getActiveResourcesInfo()) handles.set(type, (handles.get(type) ?? 0) + 1);
    return [
      counter('process_cpu_seconds_total', 'CPU time spent.', (user + system) / 1e6),
      gauge('process_start_time_seconds', 'Start of the process since the Unix epoch.', this.#startedAt),
      {
        name: 'nodejs_active_resources',
        help: 'Handles and requests that keep the event loop busy, by type.',
        type: 'gauge',
        samples: Array.from(handles, ([type, value]) => ({ labels: { type }, value })),
      },
    ];
  }
}

function memory(): ExposedMetric[] {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return [
    gauge('process_resident_memory_bytes', 'Resident memory.', rss),
    gauge('nodejs_heap_size_total_bytes', 'Heap reserved.', heapTotal),
    gauge('nodejs_heap_size_used_bytes', 'Heap in use.', heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory of objects outside the heap.', external),
    gauge('nodejs_array_buffers_bytes', 'Memory of array buffers and buffers.', arrayBuffers),
    {
      name: 'nodejs_heap_space_size_used_bytes',
      help: 'Heap in use, by space.',
      type: 'gauge',
      samples: nodeModule('node:v8')
        .getHeapSpaceStatistics()
        .map(({ space_name: space, space_used_size: value }) => ({
          labels: { space: space.replace(/_space$/, '') },
          value,
        })),
    },
  ];
}
