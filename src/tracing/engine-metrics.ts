/**
 * The figures of the kit's engines as metric families, by the conventions of Prometheus: base units (seconds, bytes,
 * ratios), counts that end in `_total`, and parts told apart by labels. Each takes what its engine's statistics give; for
 * `metrics.addSource('pool', () => poolMetrics(pool.getStats()))`.
 */
import type { ExposedMetric } from './exposition.js';
import { MetricFamilies } from './metric-families.js';

const seconds = (milliseconds: number): number => milliseconds / 1000;
const ratio = (percent: number | null): number | null => (percent === null ? null : percent / 100);

export interface PoolFigures {
  readonly activeCount: number;
  readonly availableConnections: number;
  readonly connecting: number;
  readonly waitingRequests: number;
  readonly utilization: number;
  readonly acquired: number;
  readonly waited: number;
  readonly averageWait: number;
  readonly timeouts: number;
  readonly leaks: number;
  readonly created: number;
  readonly closed: number;
  readonly connectFailures: number;
  readonly dirtyReturns: number;
  readonly validationFailures: number;
}

/** Of `ConnectionPool.getStats()`. */
export function poolMetrics(pool: PoolFigures): ExposedMetric[] {
  const connections = 'Connections of the pool, by what they are doing.';
  return new MetricFamilies()
    .gauge('tooloo_pool_connections', connections, pool.activeCount, { state: 'borrowed' })
    .gauge('tooloo_pool_connections', connections, pool.availableConnections, { state: 'idle' })
    .gauge('tooloo_pool_connections', connections, pool.connecting, { state: 'connecting' })
    .gauge('tooloo_pool_waiting', 'Callers waiting for a connection.', pool.waitingRequests)
    .gauge('tooloo_pool_utilization_ratio', 'Borrowed share of the connections there may be.', pool.utilization)
    .counter('tooloo_pool_acquired', 'Connections borrowed.', pool.acquired)
    .counter('tooloo_pool_waits', 'Borrowings that had to wait.', pool.waited)
    .counter('tooloo_pool_wait_seconds', 'Time borrowings waited.', seconds(pool.averageWait * pool.waited))
    .counter('tooloo_pool_timeouts', 'Callers whose wait ended without a connection.', pool.timeouts)
    .counter('tooloo_pool_leaks', 'Borrowings reported as leaks.', pool.leaks)
    .counter('tooloo_pool_opened', 'Connections opened.', pool.created)
    .counter('tooloo_pool_closed', 'Connections closed.', pool.closed)
    .counter('tooloo_pool_connect_failures', 'Connections that could not be opened.', pool.connectFailures)
    .counter('tooloo_pool_dirty_returns', 'Connections given back with an open transaction.', pool.dirtyReturns)
    .counter('tooloo_pool_validation_failures', 'Connections found dead on borrowing.', pool.validationFailures).list;
}

export interface QueryFigures {
  readonly queries: number;
  readonly errors: number;
  readonly slowQueries: number;
  readonly averageLatency: number;
  readonly batches: number;
  readonly queriesBatched: number;
  readonly lookupsMerged: number;
}

/** Of `QueryOptimizer.getStats()`. */
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

export interface LayerFigures {
  readonly hits: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly size: number;
  readonly bytes?: number;
  readonly errors?: number;
}

export interface CacheFigures {
  readonly memoryHits: number;
  readonly misses: number;
  readonly writes: number;
  readonly promotions: number;
  readonly invalidations: number;
  readonly loads: number;
  readonly loadFailures: number;
  readonly staleServed: number;
  readonly memory: LayerFigures;
  readonly layers: Readonly<Record<string, LayerFigures>>;
}

/** Of `MultiLayerCacheManager.getStats()`. */
export function cacheMetrics(cache: CacheFigures): ExposedMetric[] {
  const families = new MetricFamilies()
    .counter('tooloo_cache_misses', 'Lookups that found no fresh value in any layer.', cache.misses)
    .counter('tooloo_cache_writes', 'Values stored.', cache.writes)
    .counter('tooloo_cache_promotions', 'Values brought up into memory.', cache.promotions)
    .counter('tooloo_cache_invalidations', 'Keys, patterns and tags invalidated.', cache.invalidations)
    .counter('tooloo_cache_loads', 'Values loaded.', cache.loads)
    .counter('tooloo_cache_load_failures', 'Loads that failed.', cache.loadFailures)
    .counter('tooloo_cache_stale_served', 'Stale values answered within their grace.', cache.staleServed);
  for (const [layer, figures] of Object.entries({ memory: cache.memory, ...cache.layers })) {
    const labels = { layer };
    const hits = layer === 'memory' ? cache.memoryHits : figures.hits;
    families
      .counter('tooloo_cache_hits', 'Fresh values found, by the layer that had them.', hits, labels)
      .counter('tooloo_cache_evictions', 'Entries dropped for want of room.', figures.evictions, labels)
      .counter(
        'tooloo_cache_expirations',
        'Entries dropped because their time had passed.',
        figures.expirations,
        labels,
      )
      .counter('tooloo_cache_errors', 'Calls of the layer that failed.', figures.errors, labels)
      // -1: a layer that cannot tell.
      .gauge('tooloo_cache_entries', 'Entries held.', figures.size < 0 ? undefined : figures.size, labels)
      .gauge('tooloo_cache_bytes', 'Bytes held, where they are measured.', figures.bytes, labels);
  }
  return families.list;
}

export interface ResponseFigures {
  readonly hits: number;
  readonly staleHits: number;
  readonly collapsed: number;
  readonly misses: number;
  readonly revalidated: number;
  readonly bypassed: number;
  readonly onlyIfCachedMisses: number;
  readonly stored: number;
  readonly uncacheable: number;
  readonly errorsCovered: number;
  readonly refreshes: number;
  readonly invalidations: number;
  readonly failures: number;
  readonly waiting: number;
}

/** Of `cacheResponse().stats()`. */
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
    .counter('tooloo_response_cache_uncacheable', 'Responses that were not to be stored.', responses.uncacheable)
    .counter(
      'tooloo_response_cache_errors_covered',
      'Errors a stale response took the place of.',
      responses.errorsCovered,
    )
    .counter('tooloo_response_cache_refreshes', 'Validations in the background.', responses.refreshes)
    .counter('tooloo_response_cache_invalidations', 'Keys, tags and patterns invalidated.', responses.invalidations)
    .counter('tooloo_response_cache_failures', 'Failures of the store or of a callback.', responses.failures)
    .gauge('tooloo_response_cache_waiting', "Requests waiting for another's answer.", responses.waiting).list;
}

export interface CoordinationFigures {
  readonly pendingInvalidations: number;
  readonly peerStatus: Readonly<
    Record<string, { readonly state: string; readonly delivered: number; readonly failures: number }>
  >;
  readonly stats: {
    readonly published: number;
    readonly received: number;
    readonly applied: number;
    readonly conflicts: number;
    readonly repaired: number;
  };
}

/** Of `DistributedCacheCoordinator.getCoordinationStatus()`. */
export function coordinationMetrics({ pendingInvalidations, peerStatus, stats }: CoordinationFigures): ExposedMetric[] {
  const families = new MetricFamilies()
    .gauge('tooloo_coordination_pending', 'Invalidations on their way to peers.', pendingInvalidations)
    .counter('tooloo_coordination_published', 'Invalidations published.', stats.published)
    .counter('tooloo_coordination_received', 'Messages received.', stats.received)
    .counter('tooloo_coordination_applied', 'Invalidations of others applied.', stats.applied)
    .counter('tooloo_coordination_conflicts', 'Values that came while another stood.', stats.conflicts)
    .counter('tooloo_coordination_repaired', 'Messages found missing and made good.', stats.repaired);
  for (const [peer, { state, delivered, failures }] of Object.entries(peerStatus)) {
    families
      .gauge('tooloo_coordination_peer_up', 'Whether the peer was reached last.', state === 'down' ? 0 : 1, { peer })
      .counter('tooloo_coordination_delivered', 'Messages delivered.', delivered, { peer })
      .counter('tooloo_coordination_delivery_failures', 'Deliveries that failed.', failures, { peer });
  }
  return families.list;
}

export interface RateLimiterFigures {
  readonly allowedRequests: number;
  readonly deniedRequests: number;
  readonly queuedRequests: number;
  readonly waitingRequests: number;
  readonly store: {
    readonly available: boolean;
    readonly failures: number;
    readonly buckets?: number;
    readonly evictions?: number;
  };
}

/** Of `RateLimiter.getStats()`. */
export function rateLimiterMetrics(limiter: RateLimiterFigures): ExposedMetric[] {
  const { store } = limiter;
  const decisions = 'Decisions, by what was decided.';
  return new MetricFamilies()
    .counter('tooloo_rate_limit_decisions', decisions, limiter.allowedRequests, { decision: 'allowed' })
    .counter('tooloo_rate_limit_decisions', decisions, limiter.deniedRequests, { decision: 'denied' })
    .counter('tooloo_rate_limit_queued', 'Requests that had to wait for tokens.', limiter.queuedRequests)
    .gauge('tooloo_rate_limit_waiting', 'Requests waiting for tokens.', limiter.waitingRequests)
    .gauge('tooloo_rate_limit_store_up', 'Whether the store can be reached.', store.available ? 1 : 0)
    .counter('tooloo_rate_limit_store_failures', 'Calls of the store that failed.', store.failures)
    .gauge('tooloo_rate_limit_buckets', 'Buckets held.', store.buckets)
    .counter('tooloo_rate_limit_evictions', 'Buckets that gave way before they had refilled.', store.evictions).list;
}

export interface RoutingFigures {
  readonly instances: ReadonlyArray<{
    readonly host: string;
    readonly port: number;
    readonly requests: number;
    readonly failures: number;
    readonly inFlight: number;
    readonly ewma: number;
    readonly ejections: number;
    readonly state: string;
  }>;
}

/** Of `IntelligentRouter.getRoutingStats()`: by upstream service and instance. */
export function routingMetrics(services: Readonly<Record<string, RoutingFigures>>): ExposedMetric[] {
  const families = new MetricFamilies();
  for (const [upstream, { instances }] of Object.entries(services)) {
    for (const { host, port, requests, failures, inFlight, ewma, ejections, state } of instances) {
      const labels = { upstream, instance: `${host}:${port}` };
      families
        .counter('tooloo_upstream_requests', 'Attempts sent to the instance.', requests, labels)
        .counter('tooloo_upstream_failures', 'Attempts that failed.', failures, labels)
        .gauge('tooloo_upstream_in_flight', 'Attempts without an answer yet.', inFlight, labels)
        .gauge(
          'tooloo_upstream_latency_seconds',
          'Peak-sensitive moving average of the latency.',
          seconds(ewma),
          labels,
        )
        .gauge('tooloo_upstream_ejections', 'Ejections that still count against it.', ejections, labels)
        .gauge('tooloo_upstream_usable', 'Whether it is given requests.', state === 'usable' ? 1 : 0, labels);
    }
  }
  return families.list;
}

export interface LoadFigures {
  readonly cpu: number | null;
  readonly memory: number;
  readonly inFlight: number | undefined;
  readonly queueDepth: number | undefined;
  readonly p99: number | null;
  readonly errorRate: number | null;
}

/** Of `InstanceLoad.read()`: what instances are scaled by. */
export function loadMetrics(load: LoadFigures): ExposedMetric[] {
  const p99 = load.p99 === null ? null : seconds(load.p99);
  return new MetricFamilies()
    .gauge('tooloo_load_cpu_ratio', 'Share of one core in use.', ratio(load.cpu))
    .gauge('tooloo_load_memory_ratio', 'Share of the nearest bound of memory in use.', load.memory / 100)
    .gauge('tooloo_load_in_flight', 'Requests being served.', load.inFlight)
    .gauge('tooloo_load_queue_depth', 'Requests or jobs waiting.', load.queueDepth)
    .gauge('tooloo_load_p99_seconds', '99th percentile of the latency over the last half minute.', p99)
    .gauge('tooloo_load_error_ratio', 'Share of failed requests over the last half minute.', ratio(load.errorRate))
    .list;
}
