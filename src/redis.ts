/**
 * `@tooloo/resilience/redis`: what is shared through Redis, over an ioredis client of the caller's.
 *
 * @module
 */
export { RedisStore, type RedisScriptClient, type RedisStoreOptions } from './rate-limiting/redis-store.js';
export { RedisCacheLayer, type RedisCacheLayerOptions } from './caching/redis-cache-layer.js';
export { type RedisCacheClient } from './caching/redis-link.js';
export {
  RedisTransport,
  type RedisStreamClient,
  type RedisStreamReader,
  type RedisTransportOptions,
} from './caching/coordination/redis-transport.js';
