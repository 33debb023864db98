/** Whether a stored response can be used without a request to the origin (RFC 9111 §4.2, §5.2.1, RFC 5861). */
import type { CacheControl } from './cache-control.js';
import { currentAge } from './freshness.js';
import type { Credentials } from './storable.js';
import type { StoredResponse } from './stored-response.js';

/**
 * `fresh`: serve it. `stale-while-revalidate`: serve it and validate it in the background. `max-stale`: stale, but the
 * request accepts it. `stale`: validate it first. `request`: the request itself demands validation.
 */
export type Reuse = 'fresh' | 'stale-while-revalidate' | 'max-stale' | 'stale' | 'request';

/** The current age of the response in milliseconds. */
export function ageOf(stored: StoredResponse, now: number): number {
  return currentAge(stored.responseTime, stored.initialAge, now);
}

/** Whether a stored response may answer a request with these credentials: it is for everyone, or varies on them. */
export function answersIdentity({ policy }: StoredResponse, { cookie, authorization }: Credentials): boolean {
  if (!cookie && !authorization) return true;
  const { answers } = policy;
  return answers !== undefined && (!cookie || answers.cookie) && (!authorization || answers.authorization);
}

/**
 * Judges a stored response for a request.
 *
 * @param invalidated true if it was soft-purged, in which case it counts as having just become stale
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

/** A reload demands validation with `max-age=0`. Even a response of the same millisecond is then too old. */
const isOlderThan = (age: number, seconds: number): boolean => seconds === 0 || age > seconds * 1000;

/** Statuses that `stale-if-error` covers (RFC 5861 §4). */
export function isCoveredError(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}

/**
 * Whether a stale response may be served because the origin failed: if the response allows it, or the request (RFC 5861
 * §4).
 */
export function mayServeOnError(stored: StoredResponse, request: CacheControl, now: number): boolean {
  const { policy } = stored;
  if (policy.mustRevalidate || policy.noCache || request.noCache !== undefined) return false;
  if (isCoveredError(stored.status)) return false; // an old error is no better than the new one
  const window = Math.max(policy.staleIfError, policy.allowsMaxStale ? (request.staleIfError ?? 0) * 1000 : 0);
  return ageOf(stored, now) - stored.lifetime < window;
}
