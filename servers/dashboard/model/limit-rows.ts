/** The limiters of the fleet as table rows, from the figures of the instances' engines. */
import type { FrameInstance } from '../../web/fleet-sampler.js';
import type { Rejection } from '../../support/rejections.js';
import type { ConcurrencyStats, KeyConcurrency, RateLimiterStats } from '../../../src/index.js';

export interface LimiterRow extends Pick<
  RateLimiterStats,
  'totalRequests' | 'allowedRequests' | 'deniedRequests' | 'allowRate' | 'waitingRequests'
> {
  readonly instance: string;
  readonly service: string;
  readonly buckets: number | undefined;
  readonly isStoreAvailable: boolean;
  /** Requests rejected because too many were in flight; undefined without such a limit. */
  readonly rejectedInFlight: number | undefined;
}

export type RejectionRow = Rejection & {
  readonly instance: string;
  /** Whether the last rejection is less than a minute old. */
  readonly isCurrent: boolean;
};

export type KeyRow = RateLimiterStats['busiest'][number] & { readonly instance: string };

export interface ConcurrencyRow extends KeyConcurrency {
  readonly instance: string;
  readonly service: string;
  /** The key of the limit: `all`, or the key of one client or route. */
  readonly key: string;
}

const MOST_KEYS = 50;

export function limiterRows(instances: readonly FrameInstance[]): LimiterRow[] {
  return limiters(instances).map(({ instance, service, stats, concurrency }) => {
    const { totalRequests, allowedRequests, deniedRequests, allowRate, waitingRequests, store } = stats;
    const { buckets, available } = store as { buckets?: number; available?: boolean };
    const counts = { totalRequests, allowedRequests, deniedRequests, allowRate, waitingRequests };
    const rejectedInFlight = concurrency?.refused;
    return { instance, service, ...counts, buckets, isStoreAvailable: available !== false, rejectedInFlight };
  });
}

/** Milliseconds for which a rejection counts as current. */
const CURRENT = 60_000;

/** The rejected clients with their limits, current rejections first, then the most frequent ones. */
export function rejectionRows(instances: readonly FrameInstance[], now: number): RejectionRow[] {
  return instances
    .flatMap(({ id, figures }) => {
      const told = (figures?.engines as { rejections?: { latest?: readonly Rejection[] } } | undefined)?.rejections;
      return (told?.latest ?? []).map((one) => ({ ...one, instance: id, isCurrent: now - one.last < CURRENT }));
    })
    .sort((a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.count - a.count)
    .slice(0, MOST_KEYS);
}

/** The keys with the most requests over all limiters. Keys with the most rejected requests come first. */
export function busiestKeys(instances: readonly FrameInstance[]): KeyRow[] {
  return limiters(instances)
    .flatMap(({ instance, stats }) => stats.busiest.map((busy) => ({ ...busy, instance })))
    .sort((a, b) => b.denied - a.denied || b.requests - a.requests)
    .slice(0, MOST_KEYS);
}

/** Limits on requests in flight, sorted by name, so that a row keeps its position. */
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
    const engines = figures?.engines as { rateLimiter?: RateLimiterStats; concurrency?: ConcurrencyStats } | undefined;
    const stats = engines?.rateLimiter;
    return stats === undefined ? [] : [{ instance: id, service, stats, concurrency: engines?.concurrency }];
  });
}
