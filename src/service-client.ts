/**
 * `@tooloo/resilience/service-client`: HTTP between services, on axios.
 *
 * @module
 */
export * from './service-client/index.js';
