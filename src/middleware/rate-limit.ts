/** `rateLimit`: a quota for each client, answered with 429 and told in header fields when it is spent. */
import { RateLimiter, type ConcurrencyLimiter, type RateLimitStore } from '../rate-limiting/index.js';
import type { Middleware } from '../shared/http.js';
import { RateLimitGate } from './rate-limit-gate.js';
import { resolveRateLimitOptions, type RateLimitOptions } from './rate-limit-options.js';

export type {
  ConcurrencyOptions,
  LimitedRequest,
  QueueOptions,
  RateLimitOptions,
  RateLimitPolicy,
} from './rate-limit-options.js';

export interface RateLimitMiddleware extends Middleware {
  /** The engine: its statistics, and limits that change at run time. Its client ids are the middleware's keys. */
  readonly limiter: RateLimiter<RateLimitStore>;
  /** The limit on requests in flight, where one is configured. */
  readonly concurrency: ConcurrencyLimiter | undefined;
  /** Refuses everybody who waits with 503 and closes the store, if it is the middleware's own. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Limits the requests of each client by a token bucket.
 *
 * A refusal is 429 `application/problem+json` of type quota-exceeded with `Retry-After`, and is not charged. With the
 * memory store the decision needs no promise, no timer and no object beside the header strings.
 *
 * @throws TypeError, RangeError for an option that is unknown, mistyped or out of range
 */
export function rateLimit(options?: RateLimitOptions): RateLimitMiddleware {
  const resolved = resolveRateLimitOptions(options);
  const { store, onStoreError, name, rateLimit: capacity, refillRate, key, clock, dryRun } = resolved.options;
  const limiter = new RateLimiter<RateLimitStore>({
    name,
    rateLimit: capacity,
    refillRate,
    store,
    onStoreError: dryRun === true ? 'allow' : onStoreError,
    maxWaitTime: resolved.queue?.maxWaitTime,
    maxQueue: resolved.queue?.maxQueue,
    hideKeys: key !== undefined,
    clock,
  });
  const gate = new RateLimitGate(resolved, limiter);
  const concurrency = resolved.concurrency?.limiter;
  const handler: Middleware = function rateLimit(req, res, next) {
    gate.handle(req, res, next);
  };
  async function close(): Promise<void> {
    concurrency?.close();
    await limiter.close();
  }
  return Object.assign(handler, { limiter, concurrency, close, [Symbol.asyncDispose]: close });
}
