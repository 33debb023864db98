/**
 * `@tooloo/resilience/rate-limit`: `rateLimit` and the engine behind it.
 *
 * @module
 */
export {
  rateLimit,
  type ConcurrencyOptions,
  type LimitedRequest,
  type QueueOptions,
  type RateLimitMiddleware,
  type RateLimitOptions,
  type RateLimitPolicy,
} from './middleware/rate-limit.js';
export * from './rate-limiting/index.js';
