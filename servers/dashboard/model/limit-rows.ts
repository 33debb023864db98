/** The limiters of the fleet as rows of tables, out of what the instances' engines tell. */
import type { FrameInstance } from '../../web/fleet-sampler.js';
import type { ConcurrencyStats, KeyConcurrency, RateLimiterStats } from '../../../src/index.js';

export interface LimiterRow extends Pick<
  RateLimiterStats,
  'totalRequests' | 'allowedRequests' | 'deniedRequests' | 'allowRate' | 'waitingRequests'
> {
  readonly instance: string;
  readonly service: string;
  readonly buckets: number | undefined;
  readonly isStoreAvailable: boolean;
}

export type KeyRow = RateLimiterStats['busiest'][number] & { readonly instance: string };

export interface ConcurrencyRow extends KeyConcurrency {
  readonly instance: string;
  readonly service: string;
  /** What the limit is for: `all`, or whatever key it has. */
  readonly key: string;
}

const MOST_KEYS = 50;

export function limiterRows(instances: readonly FrameInstance[]): LimiterRow[] {
  return limiters(instances).map(({ instance, service, stats }) => {
    const { totalRequests, allowedRequests, deniedRequests, allowRate, waitingRequests, store } = stats;
    const { buckets, available } = store as { buckets?: number; available?: boolean };
    const counts = { totalRequests, allowedRequests, deniedRequests, allowRate, waitingRequests };
    return { instance, service, ...counts, buckets, isStoreAvailable: available !== false };
  });
}

/** Those who ask most, over all limiters; the refused first. */
export function busiestKeys(instances: readonly FrameInstance[]): KeyRow[] {
  return limiters(instances)
    .flatMap(({ instance, stats }) => stats.busiest.map((busy) => ({ ...busy, instance })))
    .sort((a, b) => b.denied - a.denied || b.requests - a.requests)
    .slice(0, MOST_KEYS);
}

/** Limits on requests in flight, by name: a row stays where it is. */
export function concurrencyRows(instances: readonly FrameInstance[]): ConcurrencyRow[] {
  return instances
    .flatMap(({ id, service, figures }) => {
      const stats = (figures?.engines as { concurrency?: ConcurrencyStats } | undefined)?.concurrency;
      return Object.entries(stats?.keys ?? {}).map(([key, told]) => ({ ...told, key, instance: id, service }));
    })
    .sort((a, b) => a.service.localeCompare(b.service) || a.key.localeCompare(b.key))
    .slice(0, MOST_KEYS);
}

function limiters(instances: readonly FrameInstance[]) {
  return instances.flatMap(({ id, service, figures }) => {
    const stats = (figures?.engines as { rateLimiter?: RateLimiterStats } | undefined)?.rateLimiter;
    return stats === undefined ? [] : [{ instance: id, service, stats }];
  });
}
