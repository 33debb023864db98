/** The options and results of a `RateLimiter`, and their checks. */
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import type { FormerNames } from '../shared/former-options.js';
import {
  anyOf,
  boolean,
  checkValue,
  clock as clockCheck,
  count,
  func,
  having,
  milliseconds,
  number,
  oneOf,
  string,
  type OptionChecks,
} from '../shared/options.js';
import { warningsCheck, type WarningsOption } from '../shared/warnings.js';
import type { BusyKey } from './busiest-keys.js';
import { GuardedStore, type GuardedStoreOptions, type OnStoreError } from './guarded-store.js';
import { MemoryStore } from './memory-store.js';
import {
  ALGORITHMS,
  algorithmCheck,
  policyName,
  rateLimitCheck,
  refillRateCheck,
  type Algorithm,
  type Quota,
} from './quota.js';
import type { Charge, RateLimitStore } from './store.js';

/** The usual limit, the wait and the store. */
export interface RateLimiterOptions<S extends RateLimitStore = MemoryStore> {
  /** Capacity of a client's bucket in tokens. Default 100. */
  readonly rateLimit?: number;
  /** Tokens that return to a bucket per second. Default 10. */
  readonly refillRate?: number;
  /** How spent tokens return. Default 'token-bucket'. A window is `rateLimit` ÷ `refillRate` seconds long. */
  readonly algorithm?: Algorithm;
  /** Longest wait of `acquire` in milliseconds. Default 30,000. */
  readonly maxWaitTime?: number;
  /** How many callers may wait at a time, of all clients together. Default 1,000. */
  readonly maxQueue?: number;
  /**
   * Whether callers that wait for the same bucket take turns by client. Default true. With false, they are served in the
   * order of their calls.
   */
  readonly fairQueueing?: boolean;
  /** Holds the buckets. Default: a MemoryStore of its own. */
  readonly store?: S;
  /** Decides while an asynchronous store is unavailable. Default 'local'. */
  readonly onStoreError?: OnStoreError;
  /** Name of the policy, in the store's keys and in the header fields. Default 'default'. */
  readonly name?: string;
  /** Whether statistics show client ids only as keyed hashes, because the ids are secret. Default false. */
  readonly hideKeys?: boolean;
  /** Returns the key of a client's bucket for the client's id, e.g. for an address in any notation. Default: the id itself. */
  readonly identify?: (clientId: string) => string;
  /** Which warnings are given. Default all. */
  readonly warnings?: WarningsOption;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The result of `isAllowed`: the decision, or a promise of it if the store is asynchronous. */
export type Decision<S extends RateLimitStore> = ReturnType<S['take']>;

/** A token that was waited for. */
export interface Acquired {
  readonly acquired: true;
  /** Milliseconds waited. */
  readonly waitTime: number;
  /** Whole tokens left in the client's bucket. */
  readonly remaining: number;
}

/** How `RateLimiter.wait` waits. */
export interface WaitOptions {
  /** Milliseconds. */
  readonly maxWait: number;
  /** Rejects at once if the tokens cannot return within `maxWait`. Default false. */
  readonly failFast?: boolean;
  /** Leaves the queue when it aborts. */
  readonly signal?: AbortSignal;
}

/** A client's bucket, read and set as it is now. Only where the store is synchronous. */
export interface Bucket {
  readonly rateLimit: number;
  readonly refillRate: number;
  /** Tokens now, with their fraction. Setting keeps within 0 and `rateLimit`. */
  tokens: number;
}

/** What the limiter has counted since it was created. */
export interface RateLimiterStats {
  /** Decisions; a request that had to wait counts once. */
  readonly totalRequests: number;
  readonly allowedRequests: number;
  readonly deniedRequests: number;
  /** Requests that had to wait, since the start. */
  readonly queuedRequests: number;
  /** Requests that wait now. */
  readonly waitingRequests: number;
  /** Share of the decided requests that were allowed, 0 to 1. 1 before the first decision. */
  readonly allowRate: number;
  /** The keys with most requests, the busiest first, at most ten. */
  readonly busiest: readonly BusyKey[];
  readonly store: {
    readonly available: boolean;
    readonly failures: number;
    readonly lastError: string | undefined;
    /** Buckets in a MemoryStore, and buckets that were evicted before they had refilled. */
    readonly buckets?: number;
    readonly evictions?: number;
  };
}

export const FORMER_LIMITER_NAMES: FormerNames<unknown> = {
  refillInterval: { dropped: "tokens return continuously, 'refillRate' of them each second" },
};

export const LIMITER_OPTIONS: OptionChecks<RateLimiterOptions> = {
  rateLimit: rateLimitCheck,
  refillRate: refillRateCheck,
  algorithm: algorithmCheck,
  maxWaitTime: milliseconds,
  maxQueue: count(0),
  fairQueueing: boolean,
  store: having('a rate limit store', 'take', 'refund', 'read', 'write', 'reset', 'close'),
  onStoreError: anyOf(func, oneOf('local', 'allow', 'deny')),
  name: policyName,
  hideKeys: boolean,
  identify: func,
  warnings: warningsCheck,
  clock: clockCheck,
};

const tokensCheck = number({ min: 0 });

/** Plain comparisons first, because this runs once per decision. */
export function checkRequest(method: string, clientId: string, tokens: number): void {
  if (typeof clientId === 'string' && tokens >= 0) return;
  checkValue(`RateLimiter.${method}: client id`, clientId, { ...string, expected: 'a string' });
  checkValue(`RateLimiter.${method}: tokens`, tokens, tokensCheck);
}

/**
 * @throws TypeError if the store does not support the algorithm of the quota
 */
export function checkAlgorithm(store: RateLimitStore | undefined, { algorithm, name }: Quota): void {
  const { algorithms = ['token-bucket'] } = store ?? { algorithms: ALGORITHMS };
  if (algorithms.includes(algorithm)) return;
  const known = algorithms.map((one) => `'${one}'`).join(', ');
  throw new TypeError(
    `rate limiter '${name}': the store has no algorithm '${algorithm}', only ${known}; set 'algorithm'`,
  );
}

/** A cost above the capacity would wait forever. */
export function refuseUnpayable(charges: readonly Charge[]): void {
  const unpayable = charges.find(({ cost, quota }) => cost > quota.rateLimit);
  if (unpayable === undefined) return;
  const { cost, quota } = unpayable;
  throw new ResilienceError(
    'COST_ABOVE_CAPACITY',
    `rate limiter: the request costs ${cost} tokens, more than the ${quota.rateLimit} that '${quota.name}' can hold`,
  );
}

/** A wait that cannot end in time only holds the client's connection. */
export function refuseHopeless(charges: readonly Charge[], maxWait: number): void {
  const hopeless = charges.find(({ retryAfter }) => retryAfter > maxWait);
  if (hopeless === undefined) return;
  throw new ResilienceError(
    'ACQUIRE_TIMEOUT',
    `rate limiter: '${hopeless.quota.name}' cannot pay within the timeout of ${maxWait} ms`,
  );
}

/** The store that a limiter uses: one of its own in memory by default, and a shared one with a plan for its outages. */
export function storeFor(
  store: RateLimitStore | undefined,
  options: Omit<GuardedStoreOptions, 'store'>,
): RateLimitStore {
  if (store === undefined) return new MemoryStore({ clock: options.clock, warnings: options.warnings });
  return store.synchronous === true ? store : new GuardedStore({ store, ...options });
}

export function storeStats(store: RateLimitStore): RateLimiterStats['store'] {
  if (store instanceof GuardedStore) return store.health;
  const kept = store instanceof MemoryStore ? { buckets: store.size, evictions: store.evictions } : {};
  return { available: true, failures: 0, lastError: undefined, ...kept };
}

/**
 * A live view of a bucket in a synchronous store.
 *
 * @param quota the limit in force
 * @param changed is called after the tokens have been set
 */
export function liveBucket(store: RateLimitStore, key: string, quota: () => Quota, changed: () => void): Bucket {
  return {
    get rateLimit() {
      return quota().rateLimit;
    },
    get refillRate() {
      return quota().refillRate;
    },
    get tokens() {
      return store.read(key, quota()) as number;
    },
    set tokens(tokens) {
      checkValue('RateLimiter bucket: tokens', tokens, tokensCheck);
      void store.write(key, quota(), tokens);
      changed();
    },
  };
}
