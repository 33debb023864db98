/**
 * `@tooloo/resilience/scaling`: Scaling: decisions, forecasts, and the drivers that start and stop instances.
 *
 * @module
 */
export * from './scaling/index.js';
