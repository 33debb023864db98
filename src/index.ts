/** The public surface of @tooloo/resilience, and nothing else. */
export * from './rate-limiting/index.js';
export * from './middleware/index.js';
export * from './tracing/index.js';
export * from './caching/index.js';
export * from './health/index.js';
export * from './routing/index.js';
export * from './scaling/index.js';
export * from './database/index.js';
export * from './service-client/index.js';
export * from './shared/index.js';
