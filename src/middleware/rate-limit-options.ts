/** Options of the `rateLimit` middleware: what a user writes, and what it resolves to. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  ConcurrencyLimiter,
  clientAddressKey,
  resolveQuota,
  type HeaderStyle,
  type KeyFunction,
  type Limit,
  type OnStoreError,
  type Quota,
  type RateLimitStore,
} from '../rate-limiting/index.js';
import type { TrustProxy } from '../shared/client-address.js';
import type { Clock } from '../shared/clock.js';
import type { ResilienceError } from '../shared/errors.js';
import {
  anyOf,
  anything,
  array,
  arrayOf,
  boolean,
  checkOptions,
  checkValue,
  clock as clockCheck,
  count,
  func,
  having,
  milliseconds,
  number,
  object,
  oneOf,
  string,
  type OptionChecks,
} from '../shared/options.js';

/** One of several limits that are checked as one: a request is charged by all of them or by none. */
export interface RateLimitPolicy extends Limit {
  /** Name in the header fields; unique among the policies of the middleware. */
  readonly name: string;
  /** Whose bucket of this policy; the client's, as the middleware's `key` tells it, unless given. */
  readonly key?: KeyFunction;
}

/** Waiting instead of refusing. */
export interface QueueOptions {
  /** Longest wait in milliseconds; 5,000 unless told. */
  readonly maxWaitTime?: number;
  /** Most that wait at a time, of all clients together; 1,000 unless told. */
  readonly maxQueue?: number;
}

/** Limits requests in flight, beside those a second. */
export interface ConcurrencyOptions {
  /** Most requests in flight; 'adaptive' finds it out from their latencies. */
  readonly limit: number | 'adaptive';
  /** Most that wait for a slot; 0 (nobody waits) unless told. */
  readonly maxQueue?: number;
  /** Longest wait for a slot in milliseconds; 1,000 unless told. */
  readonly maxWaitTime?: number;
  /**
   * What the limit is for: everything together (unless told), each 'client', or the key this returns. Where it returns
   * undefined the request needs no slot: a stream that stays open would be the slowest of all.
   */
  readonly key?: 'client' | ((req: IncomingMessage) => string | undefined);
}

/** A refusal, as `onLimited` is told of it. */
export interface LimitedRequest {
  /** The client's key. */
  readonly key: string;
  /** What the client gets: QUOTA_EXCEEDED, COST_ABOVE_CAPACITY, CONCURRENCY_EXCEEDED, … */
  readonly error: ResilienceError;
  /** Names of the policies that refused; empty where concurrency did. */
  readonly policies: readonly string[];
  /** Whether the request was served all the same, because `dryRun` is set. */
  readonly dryRun: boolean;
}

/** Limits, whose they are, and what a refusal looks like. */
export interface RateLimitOptions {
  /** Capacity of a client's bucket in tokens; 100 unless told. */
  readonly rateLimit?: number;
  /** Tokens that return to it each second; 10 unless told. */
  readonly refillRate?: number;
  /** Name of this limit in the header fields and the store; 'default' unless told. */
  readonly name?: string;
  /** Who the client is; its address unless told. */
  readonly key?: KeyFunction;
  /** Tokens the request costs; 1 unless told. 0 is always admitted. */
  readonly cost?: (req: IncomingMessage) => number;
  /** Requests that are not limited at all. */
  readonly skip?: (req: IncomingMessage) => boolean;
  /** Clients with a limit of their own, by key. A function that returns undefined leaves the general limit. */
  readonly limits?: Readonly<Record<string, Limit>> | ((key: string, req: IncomingMessage) => Limit | undefined);
  /** Further limits. Without `rateLimit` and `refillRate` beside them they are the only ones. */
  readonly policies?: readonly RateLimitPolicy[];
  /** Waiting fairly for tokens instead of being refused. */
  readonly queue?: QueueOptions;
  /** A limit on requests in flight. */
  readonly concurrency?: ConcurrencyOptions;
  /** Where the buckets are; this process' memory unless told. */
  readonly store?: RateLimitStore;
  /** What decides while a shared store is away; 'local' unless told. */
  readonly onStoreError?: OnStoreError;
  /** Header fields that tell the client its limits; 'draft' unless told. */
  readonly headers?: HeaderStyle;
  /** Counts and reports refusals, but refuses nobody, delays nobody and writes no header field. */
  readonly dryRun?: boolean;
  /** Whose `X-Forwarded-For` is believed when the client's address is the key; nobody's unless told. */
  readonly trustProxy?: TrustProxy;
  /** Bits of an IPv6 address that tell clients apart; 56 unless told. */
  readonly ipv6Prefix?: number;
  /** Told of every refusal, before it is answered. It may answer itself; what it throws is reported as a warning. */
  readonly onLimited?: (limited: LimitedRequest, req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

const OPTIONS: OptionChecks<RateLimitOptions> = {
  rateLimit: number({ min: 0 }),
  refillRate: number({ min: 0 }),
  name: string,
  key: func,
  cost: func,
  skip: func,
  limits: anyOf(func, object('an object of limits by key')),
  policies: arrayOf(object('a policy')),
  queue: object('an object of queue options'),
  concurrency: object('an object of concurrency options'),
  store: having('a rate limit store', 'take', 'refund', 'read', 'write', 'reset', 'close'),
  onStoreError: oneOf('local', 'allow', 'deny'),
  headers: oneOf('draft', 'legacy', 'both', 'none'),
  dryRun: boolean,
  trustProxy: anyOf(boolean, count(0), string, array),
  ipv6Prefix: number({ min: 1, max: 128, integer: true }),
  onLimited: func,
  clock: clockCheck,
};

const POLICY: OptionChecks<RateLimitPolicy> = { name: string, rateLimit: anything, refillRate: anything, key: func };
const QUEUE: OptionChecks<QueueOptions> = { maxWaitTime: milliseconds, maxQueue: count() };
const CONCURRENCY: OptionChecks<ConcurrencyOptions> = {
  limit: anything, // ConcurrencyLimiter checks these
  maxQueue: anything,
  maxWaitTime: anything,
  key: anyOf(func, oneOf('client')),
};

/** A policy as the middleware applies it. */
export interface ResolvedPolicy {
  readonly quota: Quota;
  /** undefined: the client's key. */
  readonly key: KeyFunction | undefined;
}

export interface ResolvedConcurrency {
  readonly limiter: ConcurrencyLimiter;
  readonly waits: boolean;
  readonly keyOf: (req: IncomingMessage, clientKey: string) => string | undefined;
}

export interface ResolvedOptions {
  readonly options: RateLimitOptions;
  readonly key: KeyFunction;
  /** Whether the client's own bucket counts beside `policies`. */
  readonly hasOwnLimit: boolean;
  readonly policies: readonly ResolvedPolicy[];
  readonly queue: Required<QueueOptions> | undefined;
  readonly concurrency: ResolvedConcurrency | undefined;
}

/** @throws TypeError, RangeError naming the option */
export function resolveRateLimitOptions(given: RateLimitOptions | undefined): ResolvedOptions {
  const options = checkOptions('rateLimit', given, OPTIONS);
  const { policies = [], rateLimit, refillRate, limits, trustProxy } = options;
  const hasOwnLimit = policies.length === 0 || rateLimit !== undefined || refillRate !== undefined;
  if (limits !== undefined && !hasOwnLimit) {
    throw new TypeError(
      "rateLimit: option 'limits' changes the client's own limit; give 'rateLimit' beside 'policies'",
    );
  }
  if (trustProxy === true) warnOfTrust();
  return {
    options,
    key: options.key ?? clientAddressKey(trustProxy, options.ipv6Prefix),
    hasOwnLimit,
    policies: resolvePolicies(policies, hasOwnLimit ? (options.name ?? 'default') : undefined),
    queue: resolveQueue(options.queue),
    concurrency: resolveConcurrency(options.concurrency, options.clock),
  };
}

function resolvePolicies(policies: readonly RateLimitPolicy[], ownName: string | undefined): ResolvedPolicy[] {
  const names = new Set(ownName === undefined ? [] : [ownName]);
  return policies.map((policy, i) => {
    const { name, rateLimit, refillRate, key } = checkOptions(`rateLimit: policies[${i}]`, policy, POLICY);
    if (names.has(name)) throw new TypeError(`rateLimit: policies[${i}]: the name '${name}' is taken`);
    names.add(name);
    return { quota: resolveQuota(name, { rateLimit, refillRate }, `rateLimit: policies[${i}]`), key };
  });
}

function resolveQueue(given: QueueOptions | undefined): Required<QueueOptions> | undefined {
  if (given === undefined) return undefined;
  const { maxWaitTime = 5_000, maxQueue = 1_000 } = checkOptions('rateLimit: queue', given, QUEUE);
  return { maxWaitTime, maxQueue };
}

function resolveConcurrency(
  given: ConcurrencyOptions | undefined,
  clock: Clock | undefined,
): ResolvedConcurrency | undefined {
  if (given === undefined) return undefined;
  const { key, ...limits } = checkOptions('rateLimit: concurrency', given, CONCURRENCY);
  const keyOf = key === undefined ? () => 'all' : key === 'client' ? (_: unknown, client: string) => client : key;
  return {
    limiter: new ConcurrencyLimiter({ ...limits, ...(clock && { clock }) }),
    waits: (limits.maxQueue ?? 0) > 0,
    keyOf,
  };
}

/** Limits by key, resolved: a function's answers are remembered by their numbers. */
export function limitResolver(
  name: string,
  limits: (key: string, req: IncomingMessage) => Limit | undefined,
): (key: string, req: IncomingMessage) => Quota | undefined {
  const known = new Map<string, Quota>();
  return (key, req) => {
    const limit = limits(key, req);
    if (limit === undefined) return undefined;
    checkValue("rateLimit: what 'limits' returns", limit, object('{ rateLimit, refillRate } or undefined'));
    const id = `${limit.rateLimit}/${limit.refillRate}`;
    let quota = known.get(id);
    if (quota === undefined) {
      quota = resolveQuota(name, limit, "rateLimit: what 'limits' returns");
      if (known.size >= REMEMBERED_LIMITS) known.clear();
      known.set(id, quota);
    }
    return quota;
  };
}

const REMEMBERED_LIMITS = 1_000;

let warned = false;

function warnOfTrust(): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    'rateLimit: trustProxy is true, so that a client that reaches this server directly chooses its own address; list the proxies, or their number',
    { code: 'RESILIENCE_TRUST_PROXY' },
  );
}
