/**
 * The statistics of the kit's engines as metric families, by the conventions of Prometheus: base units (seconds, bytes,
 * ratios), counters that end in `_total`, and labels that separate the parts. Each function takes the statistics of its
 * engine; for `metrics.addSource('pool', () => poolMetrics(pool.getStats()))`.
 */
import type {
  CacheFigures,
  CoordinationFigures,
  LoadFigures,
  PoolFigures,
  QueryFigures,
  RateLimiterFigures,
  ResponseFigures,
  RoutingFigures,
} from './engine-figures.js';
import type { ExposedMetric } from './exposition.js';
import { MetricFamilies } from './metric-families.js';

const seconds = (milliseconds: number): number => milliseconds / 1000;
const ratio = (percent: number | null): number | null => (percent === null ? null : percent / 100);

/**
 * The metrics of `ConnectionPool.getStats()`.
 *
 * @example
 * import { createMetrics, poolMetrics } from '@tooloo/resilience';
 *
 * createMetrics().addSource('orders', () => poolMetrics(pool.getStats()));
 */
export function poolMetrics(pool: PoolFigures): ExposedMetric[] {
  const connections = 'Connections of the pool, by state.';
  return new MetricFamilies()
    .gauge('tooloo_pool_connections', connections, pool.activeCount, { state: 'borrowed' })
    .gauge('tooloo_pool_connections', connections, pool.availableConnections, { state: 'idle' })
    .gauge('tooloo_pool_connections', connections, pool.connecting, { state: 'connecting' })
    .gauge('tooloo_pool_waiting', 'Callers waiting for a connection.', pool.waitingRequests)
    .gauge('tooloo_pool_utilization_ratio', 'Borrowed share of the largest number of connections.', pool.utilization)
    .counter('tooloo_pool_acquired', 'Connections borrowed.', pool.acquired)
    .counter('tooloo_pool_waits', 'Borrowings that had to wait.', pool.waited)
    .counter('tooloo_pool_wait_seconds', 'Time borrowings waited.', seconds(pool.averageWait * pool.waited))
    .counter('tooloo_pool_timeouts', 'Callers whose wait ended without a connection.', pool.timeouts)
    .counter('tooloo_pool_leaks', 'Borrowings reported as leaks.', pool.leaks)
    .counter('tooloo_pool_opened', 'Connections opened.', pool.created)
    .counter('tooloo_pool_closed', 'Connections closed.', pool.closed)
    .counter('tooloo_pool_connect_failures', 'Connections that could not be opened.', pool.connectFailures)
    .counter('tooloo_pool_dirty_returns', 'Connections returned with an open transaction.', pool.dirtyReturns)
    .counter(
      'tooloo_pool_validation_failures',
      'Connections that failed validation when they were borrowed.',
      pool.validationFailures,
    ).list;
}

/**
 * The metrics of `QueryOptimizer.getStats()`.
 *
 * @example
 * import { createMetrics, queryMetrics, QueryOptimizer } from '@tooloo/resilience';
 *
 * const queries = new QueryOptimizer({ pool });
 * createMetrics().addSource('orders', () => queryMetrics(queries.getStats()));
 */
export function queryMetrics(queries: QueryFigures): ExposedMetric[] {
  return new MetricFamilies()
    .counter('tooloo_queries', 'Statements run.', queries.queries)
    .counter('tooloo_query_errors', 'Statements that failed.', queries.errors)
    .counter('tooloo_slow_queries', 'Statements slower than the threshold.', queries.slowQueries)
    .counter('tooloo_query_seconds', 'Time statements took.', seconds(queries.averageLatency * queries.queries))
    .counter('tooloo_query_batches', 'Batches sent.', queries.batches)
    .counter('tooloo_batched_queries', 'Queries sent in batches.', queries.queriesBatched)
    .counter('tooloo_merged_lookups', 'Lookups merged into one statement with others.', queries.lookupsMerged).list;
}

/**
 * The metrics of `MultiLayerCacheManager.getStats()`.
 *
 * @example
 * import { cacheMetrics, createMetrics } from '@tooloo/resilience';
 *
 * createMetrics().addSource('pages', () => cacheMetrics(cache.getStats()));
 */
export function cacheMetrics(cache: CacheFigures): ExposedMetric[] {
  const families = new MetricFamilies()
    .counter('tooloo_cache_misses', 'Lookups that found no fresh value in any layer.', cache.misses)
    .counter('tooloo_cache_writes', 'Values stored.', cache.writes)
    .counter('tooloo_cache_promotions', 'Values brought up into memory.', cache.promotions)
    .counter('tooloo_cache_invalidations', 'Keys, patterns and tags invalidated.', cache.invalidations)
    .counter('tooloo_cache_loads', 'Values loaded.', cache.loads)
    .counter('tooloo_cache_load_failures', 'Loads that failed.', cache.loadFailures)
    .counter('tooloo_cache_stale_served', 'Stale values returned within their grace.', cache.staleServed);
  for (const [layer, figures] of Object.entries({ memory: cache.memory, ...cache.layers })) {
    const labels = { layer };
    const hits = layer === 'memory' ? cache.memoryHits : figures.hits;
    families
      .counter('tooloo_cache_hits', 'Fresh values found, by layer.', hits, labels)
      .counter('tooloo_cache_evictions', 'Entries dropped because the layer was full.', figures.evictions, labels)
      .counter(
        'tooloo_cache_expirations',
        'Entries dropped because their lifetime had ended.',
        figures.expirations,
        labels,
      )
      .counter('tooloo_cache_errors', 'Calls of the layer that failed.', figures.errors, labels)
      // -1: a layer that cannot tell.
      .gauge('tooloo_cache_entries', 'Entries held.', figures.size < 0 ? undefined : figures.size, labels)
      .gauge('tooloo_cache_bytes', 'Bytes held, if they are measured.', figures.bytes, labels);
  }
  return families.list;
}

/**
 * The metrics of `cacheResponse().stats()`.
 *
 * @example
 * import { cacheResponse, createMetrics, responseMetrics } from '@tooloo/resilience';
 *
 * const responses = cacheResponse();
 * createMetrics().addSource('responses', () => responseMetrics(responses.stats()));
 */
export function responseMetrics(responses: ResponseFigures): ExposedMetric[] {
  const families = new MetricFamilies();
  const outcomes = {
    hit: responses.hits,
    stale: responses.staleHits,
    collapsed: responses.collapsed,
    miss: responses.misses,
    revalidated: responses.revalidated,
    bypass: responses.bypassed,
    refused: responses.onlyIfCachedMisses,
  };
  for (const [outcome, value] of Object.entries(outcomes))
    families.counter('tooloo_response_cache_requests', 'Requests, by how the cache answered.', value, { outcome });
  return families
    .counter('tooloo_response_cache_stored', 'Responses stored.', responses.stored)
    .counter('tooloo_response_cache_uncacheable', 'Responses that could not be stored.', responses.uncacheable)
    .counter('tooloo_response_cache_errors_covered', 'Errors that a stale response replaced.', responses.errorsCovered)
    .counter('tooloo_response_cache_refreshes', 'Validations in the background.', responses.refreshes)
    .counter('tooloo_response_cache_invalidations', 'Keys, tags and patterns invalidated.', responses.invalidations)
    .counter('tooloo_response_cache_failures', 'Failures of the store or of a callback.', responses.failures)
    .gauge('tooloo_response_cache_waiting', 'Requests waiting for the response to another request.', responses.waiting)
    .list;
}

/**
 * The metrics of `DistributedCacheCoordinator.getCoordinationStatus()`.
 *
 * @example
 * import { coordinationMetrics, createMetrics, DistributedCacheCoordinator } from '@tooloo/resilience';
 *
 * const coordinator = new DistributedCacheCoordinator(cache, 'orders-1');
 * createMetrics().addSource('coordinator', () => coordinationMetrics(coordinator.getCoordinationStatus()));
 */
export function coordinationMetrics({ pendingInvalidations, peerStatus, stats }: CoordinationFigures): ExposedMetric[] {
  const families = new MetricFamilies()
    .gauge('tooloo_coordination_pending', 'Invalidations on their way to peers.', pendingInvalidations)
    .counter('tooloo_coordination_published', 'Invalidations published.', stats.published)
    .counter('tooloo_coordination_received', 'Messages received.', stats.received)
    .counter('tooloo_coordination_applied', 'Invalidations of others applied.', stats.applied)
    .counter('tooloo_coordination_conflicts', 'Values that conflicted with another one.', stats.conflicts)
    .counter('tooloo_coordination_repaired', 'Missing messages that were repaired.', stats.repaired);
  for (const [peer, { state, delivered, failures }] of Object.entries(peerStatus)) {
    families
      .gauge(
        'tooloo_coordination_peer_up',
        'Whether the peer was reachable at the last attempt.',
        state === 'down' ? 0 : 1,
        { peer },
      )
      .counter('tooloo_coordination_delivered', 'Messages delivered.', delivered, { peer })
      .counter('tooloo_coordination_delivery_failures', 'Deliveries that failed.', failures, { peer });
  }
  return families.list;
}

/**
 * The metrics of `RateLimiter.getStats()`.
 *
 * @example
 * import { createMetrics, RateLimiter, rateLimiterMetrics } from '@tooloo/resilience';
 *
 * const limiter = new RateLimiter();
 * createMetrics().addSource('api', () => rateLimiterMetrics(limiter.getStats()));
 */
export function rateLimiterMetrics(limiter: RateLimiterFigures): ExposedMetric[] {
  const { store } = limiter;
  const decisions = 'Decisions, by outcome.';
  return new MetricFamilies()
    .counter('tooloo_rate_limit_decisions', decisions, limiter.allowedRequests, { decision: 'allowed' })
    .counter('tooloo_rate_limit_decisions', decisions, limiter.deniedRequests, { decision: 'denied' })
    .counter('tooloo_rate_limit_queued', 'Requests that had to wait for tokens.', limiter.queuedRequests)
    .gauge('tooloo_rate_limit_waiting', 'Requests waiting for tokens.', limiter.waitingRequests)
    .gauge('tooloo_rate_limit_store_up', 'Whether the store can be reached.', store.available ? 1 : 0)
    .counter('tooloo_rate_limit_store_failures', 'Calls of the store that failed.', store.failures)
    .gauge('tooloo_rate_limit_buckets', 'Buckets held.', store.buckets)
    .counter('tooloo_rate_limit_evictions', 'Buckets evicted before they had refilled.', store.evictions).list;
}

/**
 * The metrics of `IntelligentRouter.getRoutingStats()`, by upstream service and instance.
 *
 * @example
 * import { createMetrics, routingMetrics } from '@tooloo/resilience';
 *
 * createMetrics().addSource('routing', () => routingMetrics(router.getRoutingStats()));
 */
export function routingMetrics(services: Readonly<Record<string, RoutingFigures>>): ExposedMetric[] {
  const families = new MetricFamilies();
  for (const [upstream, { instances }] of Object.entries(services)) {
    for (const { host, port, requests, failures, inFlight, ewma, ejections, state } of instances) {
      const labels = { upstream, instance: `${host}:${port}` };
      families
        .counter('tooloo_upstream_requests', 'Attempts sent to the instance.', requests, labels)
        .counter('tooloo_upstream_failures', 'Attempts that failed.', failures, labels)
        .gauge('tooloo_upstream_in_flight', 'Attempts without a response yet.', inFlight, labels)
        .gauge(
          'tooloo_upstream_latency_seconds',
          'Peak-sensitive moving average of the latency.',
          seconds(ewma),
          labels,
        )
        .gauge('tooloo_upstream_ejections', 'Ejections that still count against it.', ejections, labels)
        .gauge('tooloo_upstream_usable', 'Whether the instance receives requests.', state === 'usable' ? 1 : 0, labels);
    }
  }
  return families.list;
}

/**
 * The metrics of `InstanceLoad.read()`, which scaling uses.
 *
 * @example
 * import { createMetrics, InstanceLoad, loadMetrics } from '@tooloo/resilience';
 *
 * const load = new InstanceLoad();
 * createMetrics().addSource('load', () => loadMetrics(load.read()));
 */
export function loadMetrics(load: LoadFigures): ExposedMetric[] {
  const p99 = load.p99 === null ? null : seconds(load.p99);
  return new MetricFamilies()
    .gauge('tooloo_load_cpu_ratio', 'Share of one core in use.', ratio(load.cpu))
    .gauge('tooloo_load_memory_ratio', 'Share of the nearest memory limit in use.', load.memory / 100)
    .gauge('tooloo_load_in_flight', 'Requests being served.', load.inFlight)
    .gauge('tooloo_load_queue_depth', 'Requests or jobs waiting.', load.queueDepth)
    .gauge('tooloo_load_p99_seconds', '99th percentile of the latency over the last half minute.', p99)
    .gauge('tooloo_load_error_ratio', 'Share of failed requests over the last half minute.', ratio(load.errorRate))
    .list;
}
