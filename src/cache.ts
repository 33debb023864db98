/**
 * `@tooloo/resilience/cache`: `cacheResponse`, the cache layers, the manager over them, invalidation and coordination.
 *
 * @module
 */
export {
  cacheResponse,
  type CacheResponse,
  type CacheResponseOptions,
  type CacheResponseStats,
} from './middleware/cache-response.js';
export { isBackgroundRequest } from './shared/background-request.js';
export { type TtlFunction } from './caching/http/cache-settings.js';
export { type ResponseStore, type StoreClaim } from './caching/http/response-store.js';
export * from './caching/index.js';
