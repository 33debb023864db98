/** The engines of a server: their statistics for `/api/v1/system/observability`, and their metrics for `/metrics`. */
import {
  cacheMetrics,
  concurrencyMetrics,
  coordinationMetrics,
  loadMetrics,
  poolMetrics,
  queryMetrics,
  rateLimiterMetrics,
  responseMetrics,
  routingMetrics,
  type InstanceLoad,
  type IntelligentRouter,
  type Metrics,
} from '../../src/index.js';
import type { CacheCoordination } from './cache-coordination.js';
import type { OpenedDatabase } from './database.js';
import type { ServiceCache } from './service-cache.js';
import type { ServiceLimit } from './service-limit.js';

export interface EngineParts {
  readonly database: Pick<OpenedDatabase<unknown>, 'pool' | 'optimizer'>;
  readonly cache: ServiceCache | undefined;
  readonly coordination: CacheCoordination | undefined;
  readonly limit: ServiceLimit | undefined;
  readonly load: InstanceLoad;
  readonly router: IntelligentRouter;
}

/** The statistics of each engine that the server has. */
export function engineFigures({ database, cache, coordination, limit, load }: EngineParts): Record<string, object> {
  const { middleware: limited, rejections } = limit ?? {};
  return {
    pool: database.pool.getStats(),
    queries: database.optimizer.getStats(),
    ...(cache && { cache: cache.manager.getStats(), responses: cache.responses.stats() }),
    ...(coordination && { coordination: coordination.status() }),
    ...(limited && { rateLimiter: limited.limiter.getStats() }),
    ...(limited?.concurrency && { concurrency: limited.concurrency.getStats() }),
    ...(rejections && { rejections: { total: rejections.total, latest: rejections.latest() } }),
    load: load.read(),
  };
}

/** Exposes the metrics of each engine under its own names and labels. */
export function exposeEngines(metrics: Metrics, parts: EngineParts): void {
  const { database, cache, coordination, limit, load, router } = parts;
  const { middleware: limited } = limit ?? {};
  metrics.addSource('pool', () => poolMetrics(database.pool.getStats()));
  metrics.addSource('queries', () => queryMetrics(database.optimizer.getStats()));
  metrics.addSource('load', () => loadMetrics(load.read()));
  metrics.addSource('routing', () => routingMetrics(router.getRoutingStats()));
  if (cache !== undefined) {
    metrics.addSource('cache', () => cacheMetrics(cache.manager.getStats()));
    metrics.addSource('responses', () => responseMetrics(cache.responses.stats()));
  }
  if (coordination !== undefined) metrics.addSource('coordination', () => coordinationMetrics(coordination.status()));
  if (limited === undefined) return;
  metrics.addSource('rate limits', () => rateLimiterMetrics(limited.limiter.getStats()));
  const { concurrency } = limited;
  if (concurrency !== undefined) metrics.addSource('concurrency', () => concurrencyMetrics(concurrency.getStats()));
}
