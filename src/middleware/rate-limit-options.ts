/** Options of the `rateLimit` middleware, as a user writes them. `rate-limit-resolve.ts` checks and resolves them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type {
  Algorithm,
  Eventually,
  HeaderStyle,
  KeyFunction,
  Limit,
  OnStoreError,
  RateLimitStore,
} from '../rate-limiting/index.js';
import type { TrustProxy } from '../shared/client-address.js';
import type { Clock } from '../shared/clock.js';
import type { ResilienceError } from '../shared/errors.js';
import type { WarningsOption } from '../shared/warnings.js';

/** One of several limits that are checked as one: a request is charged by all of them or by none. */
export interface RateLimitPolicy<Req extends IncomingMessage = IncomingMessage> extends Limit {
  /** Name in the header fields; unique among the policies of the middleware. */
  readonly name: string;
  /** Returns the key of the policy's bucket. Default: the client's key, as the middleware's `key` returns it. */
  readonly key?: KeyFunction<Req>;
}

/** Waiting instead of refusing. */
export interface QueueOptions {
  /** Longest wait in milliseconds. Default 5,000. */
  readonly maxWaitTime?: number;
  /** How many requests may wait at a time, of all clients together. Default 1,000. */
  readonly maxQueue?: number;
}

/** Limits requests in flight, beside those a second. */
export interface ConcurrencyOptions<Req extends IncomingMessage = IncomingMessage> {
  /** How many requests may be in flight; 'adaptive' derives the number from their latencies. */
  readonly limit: number | 'adaptive';
  /** How many requests may wait for a slot. Default 0: none waits. */
  readonly maxQueue?: number;
  /** Longest wait for a slot in milliseconds. Default 1,000. */
  readonly maxWaitTime?: number;
  /**
   * What the limit applies to: all requests together (default), each 'client', or each key that this returns. A request for
   * which it returns undefined needs no slot: use this for a stream that stays open.
   */
  readonly key?: 'client' | ((req: Req) => Eventually<string | undefined>);
  /**
   * When the slot is free again if the client leaves before the response begins. With 'response', it is free at once. With
   * 'handler' (default), it is free when the handler ends the response anyway. Clients that abort then cannot occupy more
   * handlers than `limit`. In all other cases, the slot is free at the end of the response.
   */
  readonly release?: 'response' | 'handler';
  /** Milliseconds that a handler whose client has left may hold its slot under 'handler'. Default 30,000. */
  readonly abandonedTimeout?: number;
}

/** A refusal, as `onLimited` receives it. */
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
export interface RateLimitOptions<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> {
  /** Capacity of a client's bucket in tokens. Default 100. */
  readonly rateLimit?: number;
  /** Tokens that return to the bucket per second. Default 10. */
  readonly refillRate?: number;
  /** How tokens return. Default 'token-bucket'. A window is `rateLimit` ÷ `refillRate` seconds long. */
  readonly algorithm?: Algorithm;
  /** Name of this limit in the header fields and in the store. Default 'default'. */
  readonly name?: string;
  /** Returns the client's key. Default: the client's address. */
  readonly key?: KeyFunction<Req>;
  /** Tokens that the request costs. Default 1. A cost of 0 is always admitted. */
  readonly cost?: (req: Req) => Eventually<number>;
  /** Returns whether a request is exempt from the limit. */
  readonly skip?: (req: Req) => Eventually<boolean>;
  /**
   * Returns the tokens after responses that should not count. 'successful': a status below 400, so that only failed logins
   * count. 'failed': a status of 400 or above, or an incomplete response. A function decides per response. `refund` protects
   * against guessing, not against load, because the request has been served.
   */
  readonly refund?: 'successful' | 'failed' | ((req: Req, res: Res) => Eventually<boolean>);
  /** Clients with a limit of their own, by key. A function that returns undefined leaves the general limit. */
  readonly limits?: Readonly<Record<string, Limit>> | ((key: string, req: Req) => Eventually<Limit | undefined>);
  /** Further limits. Without `rateLimit` and `refillRate` beside them they are the only ones. */
  readonly policies?: ReadonlyArray<RateLimitPolicy<Req>>;
  /** Waiting fairly for tokens instead of being refused. */
  readonly queue?: QueueOptions;
  /** A limit on requests in flight. */
  readonly concurrency?: ConcurrencyOptions<Req>;
  /** Holds the buckets. Default: the memory of this process. */
  readonly store?: RateLimitStore;
  /** Decides while a shared store is unavailable. Default 'local'. */
  readonly onStoreError?: OnStoreError;
  /** The header fields that report its limits to the client. Default 'draft'. */
  readonly headers?: HeaderStyle;
  /**
   * Adds the parameter `pk` (partition key) to the fields of the current draft, so that clients see which requests share a
   * bucket. It is an HMAC with this secret, because keys may be private. Default: no `pk`.
   */
  readonly partitionKeys?: { readonly secret: string };
  /** Counts and reports refusals, but admits every request without delay and writes no header fields. */
  readonly dryRun?: boolean;
  /**
   * The proxies whose `X-Forwarded-For` is trusted for the client's address. Default: Express's setting `trust proxy`; no
   * proxy without Express.
   */
  readonly trustProxy?: TrustProxy;
  /** How many bits of an IPv6 address identify a client. Default 56. */
  readonly ipv6Prefix?: number;
  /**
   * Called and awaited before each refusal is answered. It may answer the request itself. An error that it throws becomes a
   * warning. `Retry-After` is already set.
   */
  readonly onLimited?: (limited: LimitedRequest, req: Req, res: Res) => Eventually<void>;
  /**
   * The part that answers a refusal. 'respond' (default): the middleware, with a problem document, page or text by `Accept`.
   * 'next': the application's error handler. It receives the error with its `status`, `code` and `retryAfter`.
   */
  readonly handler?: 'respond' | 'next';
  /** Which warnings are given, e.g. `{ TOOLOO_LIMIT_TRUST_ALL: false }`. Default all. */
  readonly warnings?: WarningsOption;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}
