/** Checks and resolves the options of the `rateLimit` middleware, once. */
import type { IncomingMessage } from 'node:http';
import {
  ConcurrencyLimiter,
  clientAddressKey,
  resolveQuota,
  type AddressKey,
  type Eventually,
  type KeyFunction,
  type Quota,
  type RateLimitStore,
} from '../rate-limiting/index.js';
import { HEADER_STYLES } from '../rate-limiting/header-fields.js';
import { addressIdentity, mayBeAddress } from '../rate-limiting/keys.js';
import { checkAlgorithm } from '../rate-limiting/limiter-options.js';
import { ALGORITHMS } from '../rate-limiting/quota.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import {
  anyOf,
  anything,
  array,
  arrayOf,
  boolean,
  checkOptions,
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
import { warningsCheck, warnOnce } from '../shared/warnings.js';
import type { ConcurrencyOptions, QueueOptions, RateLimitOptions, RateLimitPolicy } from './rate-limit-options.js';
import type { SlotRules } from './rate-limit-slot.js';

const OPTIONS: OptionChecks<RateLimitOptions> = {
  rateLimit: number({ min: 0 }),
  refillRate: number({ min: 0 }),
  algorithm: oneOf(...ALGORITHMS),
  name: string,
  key: func,
  cost: func,
  skip: func,
  limits: anyOf(func, object('an object of limits by key')),
  policies: arrayOf(object('a policy')),
  queue: object('an object of queue options'),
  concurrency: object('an object of concurrency options'),
  store: having('a rate limit store', 'take', 'refund', 'read', 'write', 'reset', 'close'),
  refund: anyOf(func, oneOf('successful', 'failed')),
  onStoreError: anyOf(func, oneOf('local', 'allow', 'deny')),
  headers: oneOf(...HEADER_STYLES),
  partitionKeys: object('{ secret }'),
  dryRun: boolean,
  trustProxy: anyOf(boolean, count(0), string, array),
  ipv6Prefix: number({ min: 1, max: 128, integer: true }),
  onLimited: func,
  handler: oneOf('respond', 'next'),
  warnings: warningsCheck,
  clock: clockCheck,
};

const POLICY: OptionChecks<RateLimitPolicy> = {
  name: string,
  rateLimit: anything,
  refillRate: anything,
  algorithm: anything,
  key: func,
};
const PARTITION_KEYS: OptionChecks<NonNullable<RateLimitOptions['partitionKeys']>> = { secret: string };
const QUEUE: OptionChecks<QueueOptions> = { maxWaitTime: milliseconds, maxQueue: count() };
const CONCURRENCY: OptionChecks<ConcurrencyOptions> = {
  limit: anything, // ConcurrencyLimiter checks these
  maxQueue: anything,
  maxWaitTime: anything,
  key: anyOf(func, oneOf('client')),
  release: oneOf('response', 'handler'),
  abandonedTimeout: milliseconds,
};

/** A policy as the middleware applies it. */
export interface ResolvedPolicy {
  readonly quota: Quota;
  /** undefined: the client's key. */
  readonly key: KeyFunction | undefined;
}

export interface ResolvedConcurrency {
  readonly limiter: ConcurrencyLimiter;
  readonly rules: SlotRules;
  readonly keyOf: (req: IncomingMessage, clientKey: string) => Eventually<string | undefined>;
}

export interface ResolvedOptions {
  readonly options: RateLimitOptions;
  readonly key: KeyFunction;
  readonly clientAddress: AddressKey;
  /** The key of a client, from its id as people write it. */
  readonly identify: (clientId: string) => string;
  /** The name of the limiter in warnings. */
  readonly place: string;
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
  const place = `rateLimit '${options.name ?? 'default'}'`;
  if (options.partitionKeys !== undefined) checkPartitionKeys(options.partitionKeys);
  warnOfMistakes(options, place);
  const clientAddress = clientAddressKey(trustProxy, options.ipv6Prefix, { place, warnings: options.warnings });
  return {
    options,
    key: options.key ?? clientAddress,
    clientAddress,
    identify: mayBeAddress(options.key) ? addressIdentity(options.ipv6Prefix) : (clientId) => clientId,
    place,
    hasOwnLimit,
    policies: resolvePolicies(policies, hasOwnLimit ? (options.name ?? 'default') : undefined, options.store),
    queue: resolveQueue(options.queue),
    concurrency: resolveConcurrency(options.concurrency, options.clock),
  };
}

function checkPartitionKeys(given: NonNullable<RateLimitOptions['partitionKeys']>): void {
  const { secret } = checkOptions('rateLimit: partitionKeys', given, PARTITION_KEYS);
  if (secret === undefined) throw new TypeError("rateLimit: partitionKeys: option 'secret' is required");
}

function resolvePolicies(
  policies: readonly RateLimitPolicy[],
  ownName: string | undefined,
  store: RateLimitStore | undefined,
): ResolvedPolicy[] {
  const names = new Set(ownName === undefined ? [] : [ownName]);
  return policies.map((policy, i) => {
    const { name, key, ...limit } = checkOptions(`rateLimit: policies[${i}]`, policy, POLICY);
    if (names.has(name)) throw new TypeError(`rateLimit: policies[${i}]: the name '${name}' is taken`);
    names.add(name);
    const quota = resolveQuota(name, limit, `rateLimit: policies[${i}]`);
    checkAlgorithm(store, quota);
    return { quota, key };
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
  const {
    key,
    release = 'handler',
    abandonedTimeout = 30_000,
    ...limits
  } = checkOptions('rateLimit: concurrency', given, CONCURRENCY);
  const keyOf = key === undefined ? () => 'all' : key === 'client' ? (_: unknown, client: string) => client : key;
  return {
    limiter: new ConcurrencyLimiter({ ...limits, ...(clock && { clock }) }),
    rules: { release, abandonedTimeout, clock: clock ?? monotonicClock },
    keyOf,
  };
}

/** Mistakes that can be seen before the first request. */
function warnOfMistakes({ trustProxy, ipv6Prefix = 56, warnings }: RateLimitOptions, place: string): void {
  if (trustProxy === true) {
    const message =
      'trustProxy is true, so clients choose their own address; give the number or the addresses of your proxies';
    warnOnce('TOOLOO_LIMIT_TRUST_ALL', place, message, warnings);
  }
  if (ipv6Prefix > LONGEST_SENSIBLE_PREFIX || ipv6Prefix < SHORTEST_SENSIBLE_PREFIX) {
    const message = `ipv6Prefix is ${ipv6Prefix}; one subscriber has a /56 or a /64, a whole provider a /32`;
    warnOnce('TOOLOO_LIMIT_IPV6_PREFIX', place, message, warnings);
  }
  if (isServingRequest() || isCreatedAgain(place)) {
    const message =
      'it seems to be created for each request, so every request has its own, full bucket; create it once';
    warnOnce('TOOLOO_LIMIT_IN_HANDLER', place, message, warnings);
  }
}

const LONGEST_SENSIBLE_PREFIX = 64;
const SHORTEST_SENSIBLE_PREFIX = 32;
const STACK_DEPTH = 60;

/** Limiters of one name that one place in the code may create before that looks like one per request. */
const MOST_OF_ONE_PLACE = 10;
/** The caller's frame, behind the message and those of this file and of `rateLimit`. */
const CALLER = 5;
const created = new Map<string, number>();
const MOST_PLACES = 1_000;

/** Behind an `await`, no stack shows that a request is being handled; but the same line creates one limiter after another. */
function isCreatedAgain(place: string): boolean {
  const caller = (new Error().stack ?? '').split('\n')[CALLER];
  if (caller === undefined || (!created.has(caller + place) && created.size >= MOST_PLACES)) return false;
  const count = (created.get(caller + place) ?? 0) + 1;
  created.set(caller + place, count);
  return count >= MOST_OF_ONE_PLACE;
}

/** Whether Node's HTTP server stands on the stack: a request is being handled, synchronously so far. */
function isServingRequest(): boolean {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_DEPTH;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = before;
  return /parserOnIncoming|onServerStream/.test(stack);
}
