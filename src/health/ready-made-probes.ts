/** Probes most services need: event loop, memory, disk, a pool, a peer. */
import { statfs } from 'node:fs/promises';
import type { IntervalHistogram } from 'node:perf_hooks';
import { nodeModule } from '../shared/node-modules.js';
import { checkOptions, checkValue, count, func, having, number, positive, string } from '../shared/options.js';
import { checkHttp } from './http-check.js';
import type { ProbeAnswer, ProbeFunction } from './probe.js';

const NANOSECONDS = 1e6; // in a millisecond
const PERCENT = 100;

/** When the event loop counts as blocked. */
export interface EventLoopProbeOptions {
  /** Milliseconds of delay, the longest since the probe ran before, above which it fails. Default 500. */
  readonly max?: number;
  /** Milliseconds above which it warns. Default 100. */
  readonly warn?: number;
  /** Returns the event loop delay in milliseconds. Default: Node's own histogram, from the first run on. */
  readonly measure?: () => number;
}

function judge(value: number, warn: number, max: number): 'pass' | 'warn' | 'fail' {
  if (value > max) return 'fail';
  return value > warn ? 'warn' : 'pass';
}

/**
 * Delay of the event loop: how late everything in this process runs.
 *
 * @example
 * import { eventLoopProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * new ReadinessProbe().registerResourceProbe('event loop', eventLoopProbe());
 */
export function eventLoopProbe(options?: EventLoopProbeOptions): ProbeFunction {
  const checked = checkOptions('eventLoopProbe', options, { max: positive, warn: positive, measure: func });
  const { max = 500, warn = 100 } = checked;
  let histogram: IntervalHistogram | undefined;

  function longestSinceLastRun(): number {
    if (histogram === undefined) {
      histogram = nodeModule('node:perf_hooks').monitorEventLoopDelay();
      histogram.enable();
      return 0;
    }
    const delay = histogram.count === 0 ? 0 : histogram.max / NANOSECONDS;
    histogram.reset();
    return delay;
  }

  const measure = checked.measure ?? longestSinceLastRun;
  const probe = (): ProbeAnswer => {
    const delay = Math.round(measure());
    return { status: judge(delay, warn, max), observedValue: delay, observedUnit: 'ms' };
  };
  return Object.assign(probe, { close: () => void histogram?.disable() });
}

/** When memory counts as short. */
export interface MemoryProbeOptions {
  /** Share of V8's heap limit above which it fails. Default 0.95. */
  readonly max?: number;
  /** Share above which it warns. Default 0.85. */
  readonly warn?: number;
  /** Share of the limit in use. Default: V8's heap statistics. */
  readonly measure?: () => number;
}

const share = number({ min: 0, max: 1 });

/**
 * The heap: past its limit the process dies, shortly before it only collects garbage.
 *
 * @example
 * import { memoryProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * new ReadinessProbe().registerResourceProbe('memory', memoryProbe());
 */
export function memoryProbe(options?: MemoryProbeOptions): ProbeFunction {
  const checked = checkOptions('memoryProbe', options, { max: share, warn: share, measure: func });
  const { max = 0.95, warn = 0.85, measure = heapShare } = checked;
  return function memory(): ProbeAnswer {
    const used = measure();
    return { status: judge(used, warn, max), observedValue: Math.round(used * PERCENT), observedUnit: '%' };
  };
}

function heapShare(): number {
  const { used_heap_size: used, heap_size_limit: limit } = nodeModule('node:v8').getHeapStatistics();
  return used / limit;
}

/** When a disk counts as full. */
export interface DiskProbeOptions {
  /** Bytes that must be free. Default 100 MiB. */
  readonly minFree?: number;
}

/**
 * Space left to this user on the disk that holds `path`.
 *
 * @example
 * import { diskProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * new ReadinessProbe().registerResourceProbe('disk', diskProbe('/var/lib/orders'));
 */
export function diskProbe(path: string, options?: DiskProbeOptions): ProbeFunction {
  checkValue('diskProbe: path', path, string);
  const { minFree = 100 * 2 ** 20 } = checkOptions<DiskProbeOptions>('diskProbe', options, { minFree: count(0) });
  return async function disk(): Promise<ProbeAnswer> {
    const { bavail, bsize } = await statfs(path);
    const free = bavail * bsize;
    return { status: free < minFree ? 'fail' : 'pass', observedValue: free, observedUnit: 'bytes' };
  };
}

/**
 * The part of a pool that `poolProbe` uses. ConnectionPool implements it.
 *
 * @example
 * import { poolProbe, ReadinessProbe, type ProbedPool } from '@tooloo/resilience';
 *
 * const connections: ProbedPool = { healthCheck: () => ({ healthy: 4, unhealthy: 0, total: 4 }) };
 * new ReadinessProbe().registerReadinessProbe('database', poolProbe(connections));
 */
export interface ProbedPool {
  healthCheck():
    | { readonly healthy: number; readonly unhealthy: number; readonly total: number }
    | Promise<{ readonly healthy: number; readonly unhealthy: number; readonly total: number }>;
}

/**
 * A connection pool. Fails if it has connections and none is healthy. Warns if some are not healthy, or if it has none,
 * which proves nothing about the database. (ConnectionPool then opens one and checks it.)
 *
 * @example
 * import { poolProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * new ReadinessProbe().registerReadinessProbe('database', poolProbe(pool));
 */
export function poolProbe(pool: ProbedPool): ProbeFunction {
  checkValue('poolProbe: pool', pool, having('a pool', 'healthCheck'));
  return async function connectionPool(): Promise<ProbeAnswer> {
    const { healthy, unhealthy, total } = await pool.healthCheck();
    const isSound = unhealthy === 0 && total > 0;
    const status = isSound ? 'pass' : healthy === 0 && total > 0 ? 'fail' : 'warn';
    return { status, observedValue: healthy, observedUnit: 'connections', output: `${healthy} of ${total} healthy` };
  };
}

/**
 * Another service, by the URL of its health endpoint. Never for liveness: its death is not this process'.
 *
 * @example
 * import { peerProbe, ReadinessProbe } from '@tooloo/resilience';
 *
 * new ReadinessProbe().registerReadinessProbe('billing', peerProbe('http://billing:3000/readyz'));
 */
export function peerProbe(url: string): ProbeFunction {
  checkValue('peerProbe: url', url, { ...string, expected: 'an http or https URL', range: isHttpUrl });
  return async function peer(signal: AbortSignal): Promise<ProbeAnswer> {
    const { status, error } = await checkHttp(url, signal);
    if (status === 'healthy') return { status: 'pass' };
    return { status: status === 'degraded' ? 'warn' : 'fail', ...(error !== undefined && { output: error }) };
  };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:/i.test(text);
}
