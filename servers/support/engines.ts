/** The engines of a server: what `/api/v1/system/observability` shows of each, and what `/metrics` exposes. */
import {
  cacheMetrics,
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
  type RateLimitMiddleware,
} from '../../src/index.js';
import type { CacheCoordination } from './cache-coordination.js';
import type { OpenedDatabase } from './database.js';
import type { ServiceCache } from './service-cache.js';

export interface EngineParts {
  readonly database: Pick<OpenedDatabase<unknown>, 'pool' | 'optimizer'>;
  readonly cache: ServiceCache | undefined;
  readonly coordination: CacheCoordination | undefined;
  readonly limited: RateLimitMiddleware | undefined;
  readonly load: InstanceLoad;
  readonly router: IntelligentRouter;
}

/** The statistics of each engine there is. */
export function engineFigures({ database, cache, coordination, limited, load }: EngineParts): Record<string, object> {
  return {
    pool: database.pool.getStats(),
    queries: database.optimizer.getStats(),
    ...(cache && { cache: cache.manager.getStats(), responses: cache.responses.stats() }),
    ...(coordination && { coordination: coordination.status() }),
    ...(limited && { rateLimiter: limited.limiter.getStats() }),
    ...(limited?.concurrency && { concurrency: limited.concurrency.getStats() }),
    load: load.read(),
  };
}

/** Has them exposed, each under names and labels of its own. */
export function exposeEngines(metrics: Metrics, parts: EngineParts): void {
  const { database, cache, coordination, limited, load, router } = parts;
  metrics.addSource('pool', () => poolMetrics(database.pool.getStats()));
  metrics.addSource('queries', () => queryMetrics(database.optimizer.getStats()));
  metrics.addSource('load', () => loadMetrics(load.read()));
  metrics.addSource('routing', () => routingMetrics(router.getRoutingStats()));
  if (cache !== undefined) {
    metrics.addSource('cache', () => cacheMetrics(cache.manager.getStats()));
    metrics.addSource('responses', () => responseMetrics(cache.responses.stats()));
  }
  if (coordination !== undefined) metrics.addSource('coordination', () => coordinationMetrics(coordination.status()));
  if (limited !== undefined) metrics.addSource('rate limits', () => rateLimiterMetrics(limited.limiter.getStats()));
}
