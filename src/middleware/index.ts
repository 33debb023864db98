/**
 * The five middleware, and `compose` that runs them without Express.
 *
 * @module
 */
export { compose, type ComposedListener, type ComposeOptions, type Handler } from './compose.js';
export { trace, type TraceOptions, type TraceMiddleware } from './trace.js';
export {
  rateLimit,
  type ConcurrencyOptions,
  type LimitedRequest,
  type QueueOptions,
  type RateLimitMiddleware,
  type RateLimitOptions,
  type RateLimitPolicy,
  type RateLimitState,
  type RateLimitUsage,
} from './rate-limit.js';
export {
  healthEndpoints,
  type HealthEndpoints,
  type HealthEndpointsOptions,
  type HealthPaths,
} from './health-endpoints.js';
export {
  proxyBalanced,
  type HedgeOptions,
  type ProxyBalanced,
  type ProxyBalancedOptions,
  type ProxyBalancedStats,
  type RetryOptions as ProxyRetryOptions,
} from './proxy-balanced.js';
export {
  cacheResponse,
  type CacheResponse,
  type CacheResponseOptions,
  type CacheResponseStats,
} from './cache-response.js';
export { isBackgroundRequest } from '../shared/background-request.js';
export { type ClientDirectives, type TtlFunction } from '../caching/http/cache-settings.js';
export { type CookieRule } from '../caching/http/identity.js';
export { type MirrorOptions, type ProxyErrorHandler } from './proxy-balanced-types.js';
export { type ResponseStore, type StoreClaim } from '../caching/http/response-store.js';
