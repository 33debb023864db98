/** Whether a stored response answers a request without asking the origin (RFC 9111 §4.2, §5.2.1, RFC 5861). */
import type { CacheControl } from './cache-control.js';
import { currentAge } from './freshness.js';
import type { StoredResponse } from './stored-response.js';

/**
 * `fresh`: serve it. `stale-while-revalidate`: serve it and validate it in the background. `max-stale`: stale, but the
 * request accepts it. `stale`: validate it first. `request`: the request itself asks for validation.
 */
export type Reuse = 'fresh' | 'stale-while-revalidate' | 'max-stale' | 'stale' | 'request';

/** The response's age now, in milliseconds. */
export function ageOf(stored: StoredResponse, now: number): number {
  return currentAge(stored.responseTime, stored.initialAge, now);
}

/**
 * Judges a stored response for a request.
 *
 * @param invalidated true when it was soft-purged: it counts as having just become stale
 */
export function judgeReuse(stored: StoredResponse, request: CacheControl, now: number, invalidated = false): Reuse {
  const age = ageOf(stored, now);
  const { policy } = stored;
  const isFresh = !invalidated && stored.lifetime > age;
  if (request.noCache !== undefined) return 'request';
  if (request.maxAge !== undefined && !(isFresh && policy.immutable) && isOlderThan(age, request.maxAge))
    return 'request';
  if (request.minFresh !== undefined && stored.lifetime - age < request.minFresh * 1000) return 'request';
  if (policy.noCache) return 'stale';
  if (isFresh) return 'fresh';
  if (policy.mustRevalidate) return 'stale';
  const staleness = invalidated ? Math.max(0, age - stored.lifetime) : age - stored.lifetime;
  if (request.maxStale !== undefined && policy.allowsMaxStale && !invalidated && staleness <= request.maxStale * 1000) {
    return 'max-stale';
  }
  if (staleness < policy.staleWhileRevalidate && request.maxAge === undefined) return 'stale-while-revalidate';
  return 'stale';
}

/** `max-age=0` is how a reload asks for validation: even an answer of this very millisecond is then too old. */
const isOlderThan = (age: number, seconds: number): boolean => seconds === 0 || age > seconds * 1000;

/** Statuses that `stale-if-error` covers (RFC 5861 §4). */
export function isCoveredError(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

/** Whether a stale response may be served because the origin failed: what it allows itself, or what the request asks (RFC 5861 §4). */
export function mayServeOnError(stored: StoredResponse, request: CacheControl, now: number): boolean {
  const { policy } = stored;
  if (policy.mustRevalidate || policy.noCache || request.noCache !== undefined) return false;
  const window = Math.max(policy.staleIfError, policy.allowsMaxStale ? (request.staleIfError ?? 0) * 1000 : 0);
  return ageOf(stored, now) - stored.lifetime < window;
}
