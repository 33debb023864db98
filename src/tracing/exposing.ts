/**
 * The metrics that prom-client writes: of one process, and of several.
 *
 * @module
 */
export * from './metrics.js';
export { createSummedMetrics, type SummedMetrics, type SummedMetricsOptions } from './summed-metrics.js';
export { clusterMetrics } from './cluster-metrics.js';
export { instanceMetrics, type InstanceMetricsOptions } from './instance-metrics.js';
export { type ProcessMetrics } from './metric-sums.js';
