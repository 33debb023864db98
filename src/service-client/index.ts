/**
 * HTTP between services: an axios instance with the trace, retries, a breaker and deduplication.
 *
 * @module
 */
export type { ClientRetryOptions } from './attempts.js';
export {
  serviceClient,
  type ServiceClient,
  type ServiceClientOptions,
  type ServiceClientStats,
} from './service-client.js';
export { retry, type RetryOptions } from './retry.js';
export {
  RequestDeduplicator,
  type DeduplicatorStats,
  type RequestDeduplicatorOptions,
} from './request-deduplicator.js';
export { upstreamError } from './failures.js';
export type { CircuitChange, RoutedTarget, ServiceRouter } from './peers.js';
export {
  CircuitBreaker,
  type CircuitBreakerEvent,
  type CircuitBreakerEvents,
  type CircuitBreakerOptions,
  type CircuitBreakerStats,
  type CircuitState,
  type ExecuteOptions,
  type Outcome,
  type Permit,
} from '../shared/circuit-breaker.js';
export type { ErrorRateOptions } from '../shared/trip-policies.js';
export { RetryBudget, type RetryBudgetOptions } from '../shared/retry-budget.js';
