/**
 * Caching: the layers, the manager over them, invalidation and coordination.
 *
 * @module
 */
export {
  type Awaitable,
  type CacheEntry,
  type CacheLayer,
  type LayerStats,
  type Lease,
  type LeaseAnswer,
  type LeaseHolder,
  type TagInvalidation,
} from './cache-layer.js';
export { MemoryCacheLayer } from './memory-cache-layer.js';
export { type MemoryCacheLayerOptions, type MemoryLayerStats } from './memory-options.js';
export { DiskCacheLayer } from './disk-cache-layer.js';
export { type DiskCacheLayerOptions, type DiskLayerStats } from './disk-options.js';
export { MultiLayerCacheManager } from './multi-layer-cache-manager.js';
export { type ClaimOptions, type LayerName, type MultiLayerCacheOptions } from './manager-options.js';
export { type MultiLayerCacheStats } from './manager-stats.js';
export { type HotKey, type HotTag, type HottestEntries } from './hottest-keys.js';
export { type InvalidationOptions, type RecentInvalidation } from './invalidation-log.js';
export { type Claim, type StoreOptions } from './claim.js';
export { type LoadContext, type LoadOptions, type LoadTimeouts, type Loader } from './load.js';
export { type BatchLoader, type BatchResult } from './batch-load.js';
export { CacheNamespace } from './cache-namespace.js';
export { KeyvCacheLayer, type KeyvCacheLayerOptions } from './keyv-cache-layer.js';
export { type KeyvTarget } from './keyv-cache-store.js';
export { keyvStore, type KeyvStore } from './keyv-store.js';
export { type DependencyAnalysis } from './dependency-graph.js';
export { type InvalidationListener } from './pattern-listeners.js';
export { countEntries, type CountedCache, type EntrySelection } from './stored-entries.js';
export { PersistentCache, type PersistentCacheOptions, type PersistentCacheStats } from './persistent-cache.js';
export {
  CacheInvalidationStrategies,
  type CacheInvalidationStrategiesOptions,
  type InvalidationPublisher,
} from './cache-invalidation-strategies.js';
export { DistributedCacheCoordinator } from './coordination/distributed-cache-coordinator.js';
export { type DistributedCacheCoordinatorOptions } from './coordination/coordinator-options.js';
export {
  type CoherenceFigures,
  type CoherenceReport,
  type CoordinationStats,
  type CoordinationStatus,
  type PeerCoherence,
} from './coordination/coordination-status.js';
export {
  type CacheVersion,
  type ConflictResolution,
  type ConflictResolver,
} from './coordination/conflict-resolution.js';
export { type DeliveryDelays, type InvalidationDelivery } from './coordination/delivery-log.js';
export { HttpTransport, type HttpTransportOptions } from './coordination/http-transport.js';
export {
  type CoordinationMessage,
  type DigestAnswer,
  type DigestQuestion,
  type InvalidationKind,
} from './coordination/messages.js';
export { type Stamp } from './coordination/hybrid-clock.js';
export { type CoordinationReceiver, type CoordinatorTransport, type PeerStatus } from './coordination/transport.js';
export {
  CdnCacheLayer,
  varnishPurge,
  type CdnCacheLayerOptions,
  type CdnPurge,
  type CdnRequest,
} from './cdn-cache-layer.js';
