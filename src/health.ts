/**
 * `@tooloo/resilience/health`: `healthEndpoints`, probes, and the monitor of other instances.
 *
 * @module
 */
export {
  healthEndpoints,
  type HealthEndpoints,
  type HealthEndpointsOptions,
  type HealthPaths,
} from './middleware/health-endpoints.js';
export * from './health/index.js';
