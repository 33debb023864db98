/**
 * Engines as metrics: everything of the metrics that needs no prom-client.
 *
 * @module
 */
export { type ExposedMetric, type Labels, type Sample } from './exposition.js';
export {
  cacheMetrics,
  coordinationMetrics,
  loadMetrics,
  poolMetrics,
  queryMetrics,
  rateLimiterMetrics,
  responseMetrics,
  routingMetrics,
} from './engine-metrics.js';
export type * from './engine-figures.js';
export { concurrencyMetrics, type ConcurrencyFigures } from './concurrency-metrics.js';
