/** The options of a circuit breaker, and what counts as a failure by default. */
import type { Clock } from './clock.js';
import { ResilienceError, type ErrorCode } from './errors.js';
import type { ErrorRateOptions } from './trip-policies.js';

/** When the circuit opens, and how it closes again. */
export interface CircuitBreakerOptions {
  /** Names the circuit in errors. Default 'circuit'. */
  readonly name?: string;
  /** Failures in a row that open it. Default 5, with `errorRate` Infinity: then only the share counts. */
  readonly failureThreshold?: number;
  /**
   * Opens on a share of failures over a time. With `failureThreshold` too, the first of both to be reached opens it.
   * Default: off.
   */
  readonly errorRate?: ErrorRateOptions;
  /** Milliseconds it stays open before the first probe; grows by as much each time probing fails. Default 30 000. */
  readonly openDuration?: number;
  /** Milliseconds `openDuration` grows to. Default ten times `openDuration`. */
  readonly maxOpenDuration?: number;
  /** Calls let through at once while half-open. Default 1. */
  readonly probes?: number;
  /** Successful probes that close it. Default 1. */
  readonly successThreshold?: number;
  /** Milliseconds after which a probe without an outcome is a failed one. Default 10 000. */
  readonly probeTimeout?: number;
  /**
   * For `execute`: whether a thrown error is the other side's failure; if not, the call is ignored. Default: every
   * error except a cancellation (an `AbortError`, axios' `CanceledError`) and this kit's own rejections (circuit open,
   * queue full, quota, shutting down). Not called for a call that the caller's own `signal` aborted: that is never a
   * failure.
   */
  readonly isFailure?: (error: unknown) => boolean;
  /** For `execute`: milliseconds after which a call has failed with UPSTREAM_TIMEOUT. Default: no limit. */
  readonly timeout?: number;
  /**
   * For `execute`: returns the result instead of a call that failed, timed out or was rejected; it gets the error. Not
   * called for ignored calls. Default: the error is thrown.
   */
  readonly fallback?: (error: unknown) => unknown;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** Options of one call. */
export interface ExecuteOptions<T> {
  /** The signal of the caller. A call that it aborts is never a failure of the other side. */
  readonly signal?: AbortSignal;
  /** Milliseconds. Default: the breaker's `timeout`. */
  readonly timeout?: number;
  /** Default: the breaker's `fallback`. */
  readonly fallback?: (error: unknown) => T | Promise<T>;
}

/** Rejections by this side: the other side was never called, so they prove nothing about it. */
const OWN_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CIRCUIT_OPEN',
  'QUEUE_FULL',
  'CONCURRENCY_EXCEEDED',
  'QUOTA_EXCEEDED',
  'COST_ABOVE_CAPACITY',
  'ACQUIRE_TIMEOUT',
  'POOL_TIMEOUT',
  'NO_TARGET_AVAILABLE',
  'SHUTTING_DOWN',
  'CLIENT_CLOSED_REQUEST',
]);

/** Whether an error is the other side's failure, by default. */
export function isFailureByDefault(error: unknown): boolean {
  if (ResilienceError.is(error)) return !OWN_REFUSALS.has(error.code);
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name !== 'AbortError' && code !== 'ABORT_ERR' && code !== 'ERR_CANCELED'; // a DOMException in every realm, Node's, axios'
}
