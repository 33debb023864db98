/**
 * Which limits use a store under which name. The policy's name is part of a bucket's key, so two limits of one name would
 * spend each other's tokens.
 */
import { warnOnce, type WarningsOption } from '../shared/warnings.js';
import type { Algorithm, Quota } from './quota.js';
import type { RateLimitStore } from './store.js';

interface Claim {
  readonly rateLimit: number;
  readonly refillRate: number;
  readonly algorithm: Algorithm;
  limiters: number;
}

export interface ClaimOptions {
  /** Whether the name was chosen by the user. */
  readonly isNamed: boolean;
  readonly warnings?: WarningsOption | undefined;
}

const claims = new WeakMap<object, Map<string, Claim>>();

/**
 * Notes that a limiter uses this name on this store.
 *
 * @returns a function that gives the name back
 * @throws TypeError where a limiter of this name has another limit on the same store
 */
export function claimName(store: RateLimitStore, quota: Quota, { isNamed, warnings }: ClaimOptions): () => void {
  const namespace = store.namespace ?? store;
  let names = claims.get(namespace);
  if (names === undefined) {
    names = new Map<string, Claim>();
    claims.set(namespace, names);
  }
  const { name, rateLimit, refillRate, algorithm } = quota;
  const claim = names.get(name) ?? { rateLimit, refillRate, algorithm, limiters: 0 };
  if (claim.rateLimit !== rateLimit || claim.refillRate !== refillRate || claim.algorithm !== algorithm) {
    throw new TypeError(
      `rate limiter: the store already has a limit named '${name}' of ${claim.rateLimit} tokens and ${claim.refillRate} per second (${claim.algorithm}), ` +
        `and this one has ${rateLimit} and ${refillRate} (${algorithm}); give each its own 'name', or close the other first`,
    );
  }
  names.set(name, claim);
  claim.limiters++;
  if (claim.limiters > 1 && !isNamed) {
    const message = "several limiters without a 'name' use this store, so they share their buckets; name each";
    warnOnce('TOOLOO_LIMIT_SHARED_NAME', 'rate limiter', message, warnings);
  }
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    if (--claim.limiters === 0) names.delete(name);
  };
}
