/** The charges of a request: the buckets and the tokens. */
import type { IncomingMessage } from 'node:http';
import {
  charge,
  resolveQuota,
  type AddressKey,
  type Charge,
  type Eventually,
  type KeyFunction,
  type Limit,
  type Quota,
  type RateLimiter,
  type RateLimitStore,
} from '../rate-limiting/index.js';
import { compactKey, isWholeIpv6 } from '../rate-limiting/keys.js';
import { isBackgroundRequest } from '../shared/background-request.js';
import { checkValue, object } from '../shared/options.js';
import { isThenable } from '../shared/thenable.js';
import { warnOnce } from '../shared/warnings.js';
import type { RateLimitOptions } from './rate-limit-options.js';
import type { ResolvedOptions, ResolvedPolicy } from './rate-limit-resolve.js';

type LimitOf = (key: string, req: IncomingMessage) => Eventually<Quota>;

/** Keys at first that are looked at for whole IPv6 addresses. */
const LOOKED_AT = 1_000;

/**
 * Turns requests into charges. Every callback of the user may return a promise; where none does, nothing here is one.
 * `fill` writes into charges of `create`, so that one set can serve many requests.
 */
export class Charges {
  readonly #clientKey: KeyFunction;
  readonly #clientAddress: AddressKey;
  readonly #cost: RateLimitOptions['cost'];
  readonly #skip: RateLimitOptions['skip'];
  readonly #policies: readonly ResolvedPolicy[];
  readonly #ownQuota: Quota | undefined;
  readonly #limitOf: LimitOf;
  readonly #resolved: ResolvedOptions;
  #looks: number;

  constructor(resolved: ResolvedOptions, limiter: RateLimiter<RateLimitStore>) {
    const { options, key, clientAddress, hasOwnLimit, policies } = resolved;
    this.#resolved = resolved;
    this.#clientKey = key;
    this.#clientAddress = clientAddress;
    this.#cost = options.cost;
    this.#skip = options.skip;
    this.#policies = policies;
    this.#ownQuota = hasOwnLimit ? limiter.quota : undefined;
    this.#limitOf = ownLimits(limiter, options.limits);
    this.#looks = options.key === undefined ? 0 : LOOKED_AT;
  }

  /** Whether a request has one charge of one token, whose limit its key decides. */
  get dependOnKeyAlone(): boolean {
    const { options, hasOwnLimit, policies } = this.#resolved;
    return hasOwnLimit && policies.length === 0 && options.cost === undefined && typeof options.limits !== 'function';
  }

  /** The client's key; undefined where the request is not limited. */
  keyOf(req: IncomingMessage): Eventually<string | undefined> {
    // A refresh by the cache has no client: no bucket is charged for it, and it is never refused.
    if (isBackgroundRequest(req)) return undefined;
    if (this.#skip !== undefined) {
      const skipped = this.#skip(req);
      if (isThenable(skipped)) return Promise.resolve(skipped).then((really) => (really ? undefined : this.#key(req)));
      if (skipped) return undefined;
    }
    return this.#key(req);
  }

  create(): Charge[] {
    const own = this.#ownQuota === undefined ? [] : [charge('', this.#ownQuota)];
    return [...own, ...this.#policies.map(({ quota }) => charge('', quota))];
  }

  /** Fills the charges; or, where a callback returned a promise, leaves them and promises others. */
  fill(charges: Charge[], key: string, req: IncomingMessage): Promise<Charge[]> | undefined {
    const tokens = this.#cost === undefined ? 1 : this.#cost(req);
    const limit = this.#ownQuota === undefined ? undefined : this.#limitOf(key, req);
    if (isThenable(tokens) || isThenable(limit)) return this.#fillLater(key, req, tokens, limit);
    const cost = this.#cost === undefined ? 1 : checkedCost(tokens);
    let i = 0;
    if (limit !== undefined) {
      const own = charges[i++]!;
      own.key = key;
      own.quota = limit;
      own.cost = cost;
    }
    for (const policy of this.#policies) {
      const theirs = policy.key === undefined ? key : policy.key(req, this.#clientAddress);
      if (isThenable(theirs)) {
        return this.#fillLater(key, req, tokens, limit, [...charges.slice(0, i).map((one) => one.key), theirs]);
      }
      const one = charges[i++]!;
      one.key = policy.key === undefined ? key : this.#checkedKey(theirs);
      one.cost = cost;
    }
    return undefined;
  }

  /** As `fill`, from callbacks that have been called and return promises. Each is called once. */
  async #fillLater(
    key: string,
    req: IncomingMessage,
    tokens: Eventually<number>,
    limit: Eventually<Quota> | undefined,
    known: ReadonlyArray<Eventually<string>> = [],
  ): Promise<Charge[]> {
    const charges = this.create();
    const cost = checkedCost(await tokens);
    const quota = await limit;
    const first = quota === undefined ? 0 : 1;
    if (quota !== undefined) Object.assign(charges[0]!, { key, quota, cost });
    for (const [at, policy] of this.#policies.entries()) {
      const one = charges[first + at]!;
      const theirs = known[first + at] ?? policy.key?.(req, this.#clientAddress);
      one.key = theirs === undefined ? key : this.#checkedKey(await theirs);
      one.cost = cost;
    }
    return charges;
  }

  #key(req: IncomingMessage): Eventually<string> {
    const key = this.#clientKey(req, this.#clientAddress);
    return isThenable(key) ? Promise.resolve(key).then((really) => this.#checkedKey(really)) : this.#checkedKey(key);
  }

  #checkedKey(key: unknown): string {
    const checked = checkedKey(key);
    if (this.#looks > 0) {
      this.#looks--;
      if (isWholeIpv6(checked)) this.#warnOfIpv6();
    }
    return checked;
  }

  #warnOfIpv6(): void {
    this.#looks = 0;
    const message =
      "'key' returns whole IPv6 addresses, and a subscriber has 2^64 of them; call its second argument instead";
    warnOnce('TOOLOO_LIMIT_IPV6_KEY', this.#resolved.place, message, this.#resolved.options.warnings);
  }
}

/** A limit set at run time comes first, then what `limits` says, then the general one. */
function ownLimits(limiter: RateLimiter<RateLimitStore>, limits: RateLimitOptions['limits']): LimitOf {
  if (typeof limits === 'function') {
    const resolve = limitResolver(limiter.quota, limits);
    return (key, req) => {
      const set = limiter.quotaOf(key);
      if (set !== limiter.quota) return set;
      const own = resolve(key, req);
      return isThenable(own) ? own.then((really) => really ?? set) : (own ?? set);
    };
  }
  for (const [key, limit] of Object.entries<Limit>(limits ?? {})) {
    limiter.setLimit(key, limit.rateLimit, limit.refillRate);
  }
  return (key) => limiter.quotaOf(key);
}

const REMEMBERED_LIMITS = 1_000;

/** Limits by key, resolved: a function's answers are remembered by their numbers. */
function limitResolver(
  { name, algorithm }: Quota,
  limits: (key: string, req: IncomingMessage) => Eventually<Limit | undefined>,
): (key: string, req: IncomingMessage) => Eventually<Quota | undefined> {
  const known = new Map<string, Quota>();
  const resolve = (limit: Limit | undefined): Quota | undefined => {
    if (limit === undefined) return undefined;
    checkValue("rateLimit: what 'limits' returns", limit, object('{ rateLimit, refillRate } or undefined'));
    const id = `${limit.rateLimit}/${limit.refillRate}`;
    let quota = known.get(id);
    if (quota === undefined) {
      quota = resolveQuota(name, { ...limit, algorithm }, "rateLimit: what 'limits' returns");
      if (known.size >= REMEMBERED_LIMITS) known.clear();
      known.set(id, quota);
    }
    return quota;
  };
  return (key, req) => {
    const limit = limits(key, req);
    return isThenable(limit) ? Promise.resolve(limit).then(resolve) : resolve(limit);
  };
}

/** Plain comparisons: these run once a request. */
export function checkedKey(key: unknown): string {
  if (typeof key === 'string') return compactKey(key);
  throw new TypeError(`rateLimit: 'key' must return a string, got ${key === null ? 'null' : typeof key}`);
}

function checkedCost(cost: unknown): number {
  if (typeof cost === 'number' && cost >= 0 && cost !== Infinity) return cost;
  throw new TypeError(`rateLimit: 'cost' must return a finite number of at least 0, got ${String(cost)}`);
}
