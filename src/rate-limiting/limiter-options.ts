/** What a `RateLimiter` is given, what it hands out, and the checks of both. */
import type { Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import {
  boolean,
  checkValue,
  clock as clockCheck,
  count,
  having,
  milliseconds,
  number,
  oneOf,
  string,
  type OptionChecks,
} from '../shared/options.js';
import type { BusyKey } from './busiest-keys.js';
import { GuardedStore, type OnStoreError } from './guarded-store.js';
import { MemoryStore } from './memory-store.js';
import { policyName, rateLimitCheck, refillRateCheck, type Quota } from './quota.js';
import type { Charge, RateLimitStore } from './store.js';

/** The usual limit, the wait and the store. */
export interface RateLimiterOptions<S extends RateLimitStore = MemoryStore> {
  /** Capacity of a client's bucket in tokens; 100 unless told. */
  readonly rateLimit?: number;
  /** Tokens that return to a bucket each second; 10 unless told. */
  readonly refillRate?: number;
  /** Longest wait of `acquire` in milliseconds; 30,000 unless told. */
  readonly maxWaitTime?: number;
  /** Most that wait at a time, of all clients together; 1,000 unless told. */
  readonly maxQueue?: number;
  /**
   * Whether those who wait for the same bucket take turns by client (true unless told) or are served in the order they
   * came.
   */
  readonly fairQueueing?: boolean;
  /** Where the buckets are; a MemoryStore of its own unless told. */
  readonly store?: S;
  /** What decides while an asynchronous store is away; 'local' unless told. */
  readonly onStoreError?: OnStoreError;
  /** Name of the policy: part of the store's keys and of the header fields; 'default' unless told. */
  readonly name?: string;
  /** Whether statistics show client ids only as keyed hashes, because they hold secrets; false unless told. */
  readonly hideKeys?: boolean;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** What `isAllowed` returns: the decision, or the promise of one where the store is asynchronous. */
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
  /** Rejects at once where the buckets cannot pay within `maxWait`. Default false. */
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

/** What the limiter counted since it was made. */
export interface RateLimiterStats {
  /** Decisions asked for, those that had to wait counted once. */
  readonly totalRequests: number;
  readonly allowedRequests: number;
  readonly deniedRequests: number;
  /** Requests that had to wait, since the start. */
  readonly queuedRequests: number;
  /** Requests that wait now. */
  readonly waitingRequests: number;
  /** Part of the decided requests that was allowed, 0 to 1; 1 before the first. */
  readonly allowRate: number;
  /** Who asked most, the busiest first, at most ten. */
  readonly busiest: readonly BusyKey[];
  readonly store: {
    readonly available: boolean;
    readonly failures: number;
    readonly lastError: string | undefined;
    /** Buckets kept by a MemoryStore, and those that gave way before they had refilled. */
    readonly buckets?: number;
    readonly evictions?: number;
  };
}

export const LIMITER_OPTIONS: OptionChecks<RateLimiterOptions> = {
  rateLimit: rateLimitCheck,
  refillRate: refillRateCheck,
  maxWaitTime: milliseconds,
  maxQueue: count(0),
  fairQueueing: boolean,
  store: having('a rate limit store', 'take', 'refund', 'read', 'write', 'reset', 'close'),
  onStoreError: oneOf('local', 'allow', 'deny'),
  name: policyName,
  hideKeys: boolean,
  clock: clockCheck,
};

const tokensCheck = number({ min: 0 });

/** Plain comparisons first: this runs once a decision. */
export function checkRequest(method: string, clientId: string, tokens: number): void {
  if (typeof clientId === 'string' && tokens >= 0) return;
  checkValue(`RateLimiter.${method}: client id`, clientId, { ...string, expected: 'a string' });
  checkValue(`RateLimiter.${method}: tokens`, tokens, tokensCheck);
}

/** A cost above a capacity would wait for ever. */
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

export function storeStats(store: RateLimitStore): RateLimiterStats['store'] {
  if (store instanceof GuardedStore) return store.health;
  const kept = store instanceof MemoryStore ? { buckets: store.size, evictions: store.evictions } : {};
  return { available: true, failures: 0, lastError: undefined, ...kept };
}

export function liveBucket(
  quota: () => Quota,
  read: (quota: Quota) => number,
  write: (quota: Quota, tokens: number) => void,
): Bucket {
  return {
    get rateLimit() {
      return quota().rateLimit;
    },
    get refillRate() {
      return quota().refillRate;
    },
    get tokens() {
      return read(quota());
    },
    set tokens(tokens) {
      checkValue('RateLimiter bucket: tokens', tokens, tokensCheck);
      write(quota(), tokens);
    },
  };
}
