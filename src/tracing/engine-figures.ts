/** The figures of the engines, as far as their metrics use them. */

/** The part of `ConnectionPool.getStats()` that `poolMetrics` exposes. */
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

/** The part of `QueryOptimizer.getStats()` that `queryMetrics` exposes. */
export interface QueryFigures {
  readonly queries: number;
  readonly errors: number;
  readonly slowQueries: number;
  readonly averageLatency: number;
  readonly batches: number;
  readonly queriesBatched: number;
  readonly lookupsMerged: number;
}

/** The figures of one cache layer. */
export interface LayerFigures {
  readonly hits: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly size: number;
  readonly bytes?: number;
  readonly errors?: number;
}

/** The part of `MultiLayerCacheManager.getStats()` that `cacheMetrics` exposes. */
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

/** The part of `cacheResponse().stats()` that `responseMetrics` exposes. */
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

/** The part of `getCoordinationStatus()` that `coordinationMetrics` exposes. */
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

/** The part of `RateLimiter.getStats()` that `rateLimiterMetrics` exposes. */
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

/** The statistics of one service that `routingMetrics` exposes. */
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

/** The part of `InstanceLoad.read()` that `loadMetrics` exposes. */
export interface LoadFigures {
  readonly cpu: number | null;
  readonly memory: number;
  readonly inFlight: number | undefined;
  readonly queueDepth: number | undefined;
  readonly p99: number | null;
  readonly errorRate: number | null;
}
