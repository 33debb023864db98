/**
 * `@tooloo/resilience/redis`: what is shared through Redis, over a client of the caller's.
 *
 * @module
 */
export { RedisStore } from './rate-limiting/redis-store.js';
export { type NodeRedisClient, type RedisScriptClient, type RedisStoreOptions } from './rate-limiting/redis-options.js';
export { RedisCacheLayer, type RedisCacheLayerOptions } from './caching/redis-cache-layer.js';
export { type RedisCacheClient } from './caching/redis-link.js';
export { type RedisStreamClient, type RedisStreamReader } from './caching/coordination/redis-stream-client.js';
export { RedisTransport, type RedisTransportOptions } from './caching/coordination/redis-transport.js';
