/**
 * Rate limiting: token buckets and windows, fair waiting, limits on what is in flight, and the stores behind them.
 *
 * @module
 */
export { RateLimiter } from './rate-limiter.js';
export {
  type RateLimiterOptions,
  type RateLimiterStats,
  type WaitOptions,
  type Acquired,
  type Bucket,
  type Decision,
} from './limiter-options.js';
export { ClusterStore, type ClusterStoreOptions } from './cluster-store.js';
export { MemoryStore, type MemoryStoreOptions } from './memory-store.js';
export {
  ExpressRateLimitStore,
  type ExpressRateLimitHits,
  type ExpressRateLimitStoreLike,
  type ExpressRateLimitStoreOptions,
} from './express-rate-limit-store.js';
export { charge, type Charge, type Eventually, type RateLimitStore } from './store.js';
export { resolveQuota, type Algorithm, type Limit, type Quota } from './quota.js';
export { type OnStoreError, type StoreChange, type StoreErrorDecision } from './guarded-store.js';
export { type BusyKey } from './busiest-keys.js';
export { clientAddressKey, headerKey, type AddressKey, type AddressWarnings, type KeyFunction } from './keys.js';
export {
  ConcurrencyLimiter,
  type ConcurrencyLimiterOptions,
  type ConcurrencyStats,
  type KeyConcurrency,
  type ReleaseSlot,
} from './concurrency-limiter.js';
export { type HeaderStyle } from './header-fields.js';
