/** `rateLimit`: a quota per client, with header fields that report it and a 429 response when it is spent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { charge, RateLimiter, type ConcurrencyLimiter, type RateLimitStore } from '../rate-limiting/index.js';
import { claimName } from '../rate-limiting/shared-names.js';
import { prepareForExpress } from '../shared/express-shapes.js';
import type { Middleware, NextFunction } from '../shared/http.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import { isPlainData, NEEDS_NO_CONTEXT } from '../shared/request-context.js';
import { named } from './named.js';
import { RateLimitGate } from './rate-limit-gate.js';
import type { RateLimitOptions } from './rate-limit-options.js';
import type { RateLimitState } from './rate-limit-record.js';
import { resolveRateLimitOptions } from './rate-limit-resolve.js';

export type {
  ConcurrencyOptions,
  LimitedRequest,
  QueueOptions,
  RateLimitOptions,
  RateLimitPolicy,
} from './rate-limit-options.js';
export type { RateLimitState, RateLimitUsage } from './rate-limit-record.js';

/**
 * The middleware that `rateLimit` returns.
 *
 * @example
 * import { rateLimit } from '@tooloo/resilience';
 *
 * const limit = rateLimit({ rateLimit: 100, refillRate: 10 });
 * app.use(limit);
 * app.get('/quota', (req, res) => void res.json(limit.of(req)?.limits));
 */
export interface RateLimitMiddleware<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> {
  (req: Req, res: Res, next: NextFunction): void;
  /** The engine: its statistics, and limits that change at run time. Its client ids are the middleware's keys. */
  readonly limiter: RateLimiter<RateLimitStore>;
  /** The limit on requests in flight, where one is configured. */
  readonly concurrency: ConcurrencyLimiter | undefined;
  /** The decision of this limiter about a request: its limits and the tokens left. Undefined if it has not decided. */
  of(req: IncomingMessage): RateLimitState | undefined;
  /** Rejects every waiting request with 503, and closes the store if the middleware created it. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Limits the requests of each client by a token bucket.
 *
 * A refusal is 429 `application/problem+json` of type quota-exceeded with `Retry-After`, and is not charged. With the
 * memory store the decision needs no promise, no timer and no object beside the header strings.
 *
 * In TypeScript its callbacks take the request of the framework: Express's own under `app.use`, or the one that a parameter or
 * `rateLimit<Request>` names.
 *
 * @throws TypeError, RangeError for an option that is unknown, mistyped or out of range
 *
 * @example
 * import { rateLimit } from '@tooloo/resilience';
 *
 * app.use(rateLimit({ rateLimit: 100, refillRate: 10 })); // 100 requests at once, then 10 per second
 */
export function rateLimit<Req extends IncomingMessage = IncomingMessage, Res extends ServerResponse = ServerResponse>(
  options?: RateLimitOptions<Req, Res>,
): RateLimitMiddleware<Req, Res>;
export function rateLimit(options?: RateLimitOptions): RateLimitMiddleware {
  prepareForExpress();
  const resolved = resolveRateLimitOptions(options);
  const { store, onStoreError, key, clock, dryRun, warnings, name } = resolved.options;
  const quotas = resolved.policies.map(({ quota }) => quota);
  // Without a limit of its own, the first of its policies stands for the limiter.
  const own = resolved.hasOwnLimit ? resolved.options : quotas.shift()!;
  const limiter = new RateLimiter<RateLimitStore>({
    name: own.name ?? name,
    rateLimit: own.rateLimit,
    refillRate: own.refillRate,
    algorithm: own.algorithm,
    store,
    onStoreError: dryRun === true ? 'allow' : onStoreError,
    maxWaitTime: resolved.queue?.maxWaitTime,
    maxQueue: resolved.queue?.maxQueue,
    hideKeys: key !== undefined,
    identify: resolved.identify,
    warnings,
    clock,
  });
  const claimed = store === undefined ? [] : quotas.map((quota) => claimName(store, quota, { isNamed: true }));
  for (const quota of quotas) limiter.compare(quota);
  const gate = new RateLimitGate(resolved, limiter);
  const concurrency = resolved.concurrency?.limiter;
  const handler = named<Middleware>('rateLimit', (req, res, next) => gate.handle(req, res, next));
  async function close(): Promise<void> {
    concurrency?.close();
    for (const giveBack of claimed) giveBack();
    await limiter.close();
  }
  const of = (req: IncomingMessage): RateLimitState | undefined => gate.of(req);
  const describe = (): Inspection => ({
    kind: 'rateLimit',
    name: name ?? limiter.quota.name,
    trustProxy: options?.trustProxy,
    hasKey: key !== undefined,
    askStore: store && (async () => void (await store.take([charge('tooloo-doctor', limiter.quota, 0)]))),
  });
  return Object.assign(handler, {
    limiter,
    concurrency,
    of,
    close,
    [Symbol.asyncDispose]: close,
    [INSPECT]: describe,
    [NEEDS_NO_CONTEXT]: gate.decidesAtOnce && isPlainData(options),
  });
}
