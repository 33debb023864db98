/** How a request is refused: the error, its `Retry-After` and the callback. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Charge, Eventually } from '../rate-limiting/index.js';
import { messageOf, refusal, ResilienceError, type ErrorCode } from '../shared/errors.js';
import type { NextFunction } from '../shared/http.js';
import { sendNegotiatedError } from '../shared/negotiated-problem.js';
import { isThenable } from '../shared/thenable.js';
import { warn } from '../shared/warnings.js';
import type { LimitedRequest, RateLimitOptions } from './rate-limit-options.js';

/** Codes that mean "limited"; the others of this kit are failures and answered as such. */
const LIMITED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'QUOTA_EXCEEDED',
  'COST_ABOVE_CAPACITY',
  'CONCURRENCY_EXCEEDED',
]);

/** Waits without success: to the client, the quota is exceeded. */
const WAITED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ACQUIRE_TIMEOUT', 'QUEUE_FULL']);

/** Share of the wait that is added at random, so that clients refused together do not retry together. */
const JITTER = 0.1;

/**
 * Seconds for `Retry-After`: never before the wait is over (which is the `t` of the RateLimit field), and up to a
 * tenth, or one second, later.
 */
export function retryAfterSeconds(milliseconds: number, random: () => number = Math.random): number | undefined {
  if (milliseconds === Infinity) return undefined;
  const least = Math.max(1, Math.ceil(milliseconds / 1000));
  const spread = Math.max(1, Math.round(least * JITTER));
  return least + Math.floor(random() * (spread + 1));
}

/** The error for charges that were refused: QUOTA_EXCEEDED, or COST_ABOVE_CAPACITY where waiting would not help. */
export function quotaExceeded(charges: readonly Charge[], cause?: unknown): ResilienceError {
  const unpayable = charges.find(({ cost, quota }) => cost > quota.rateLimit && quota.rateLimit > 0);
  if (unpayable !== undefined) return costAboveCapacity(unpayable);
  const refused = charges.filter((charge) => charge.retryAfter > 0);
  const names = refused.map(({ quota }) => quota.name);
  const wait = retryAfterSeconds(Math.max(0, ...refused.map((charge) => charge.retryAfter)));
  const detail = wait === undefined ? 'no further request is admitted' : `the quota is spent; retry in ${wait} s`;
  return refusal('QUOTA_EXCEEDED', detail, {
    cause,
    extensions: { 'violated-policies': names },
    ...(wait !== undefined && { retryAfter: wait }),
  });
}

function costAboveCapacity({ cost, quota }: Charge): ResilienceError {
  return refusal(
    'COST_ABOVE_CAPACITY',
    `the request costs ${cost} tokens, more than the ${quota.rateLimit} that the quota '${quota.name}' can hold`,
    { extensions: { 'violated-policies': [quota.name] } },
  );
}

/** A refusal, and whose. */
export interface Refusal {
  readonly key: string;
  readonly charges: readonly Charge[];
  readonly error: ResilienceError;
}

/**
 * Calls `onLimited` and answers. Returns false, or a promise of it, if the request is served anyway (`dryRun`).
 */
export type Refuse = (
  req: IncomingMessage,
  res: ServerResponse,
  next: NextFunction,
  refusal: Refusal,
) => Eventually<boolean>;

/** Answers a request that is not served, unless it has been answered already. */
export type Answer = (req: IncomingMessage, res: ServerResponse, next: NextFunction, error: ResilienceError) => void;

/** By the middleware itself, or by the application's error handler. */
export function answering(handler: NonNullable<RateLimitOptions['handler']>): Answer {
  return (req, res, next, error) => {
    if (res.headersSent || res.writableEnded) return;
    if (handler === 'next') next(error);
    else sendNegotiatedError(req, res, error);
  };
}

export interface RefuseRules {
  readonly onLimited: RateLimitOptions['onLimited'];
  readonly answer: Answer;
  readonly dryRun: boolean;
}

export function refusing({ onLimited, answer, dryRun }: RefuseRules): Refuse {
  const conclude = (req: IncomingMessage, res: ServerResponse, next: NextFunction, error: ResilienceError): boolean => {
    if (dryRun) return false;
    answer(req, res, next, error);
    return true;
  };
  return (req, res, next, { key, charges, error }) => {
    // Set first, so that a response by onLimited or by an error handler has it as well.
    if (!dryRun && !res.headersSent) setRetryAfter(res, error);
    if (onLimited === undefined) return conclude(req, res, next, error);
    const isQuota = error.code !== 'CONCURRENCY_EXCEEDED';
    const policies = isQuota ? charges.filter((one) => one.retryAfter > 0).map(({ quota }) => quota.name) : [];
    const told = tell(onLimited, { key, error, policies, dryRun }, req, res);
    return told === undefined ? conclude(req, res, next, error) : told.then(() => conclude(req, res, next, error));
  };
}

function setRetryAfter(res: ServerResponse, { retryAfter }: ResilienceError): void {
  if (retryAfter !== undefined) res.setHeader('Retry-After', String(Math.ceil(retryAfter)));
}

/** The user's callback must not decide by failing: what it throws, or rejects with, becomes a warning. */
function tell(
  onLimited: NonNullable<RateLimitOptions['onLimited']>,
  limited: LimitedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> | undefined {
  const report = (error: unknown): void =>
    warn('TOOLOO_LIMIT_CALLBACK_FAILED', `rateLimit: 'onLimited' failed: ${messageOf(error)}`);
  try {
    const result = onLimited(limited, req, res);
    return isThenable(result) ? Promise.resolve(result).catch(report) : undefined;
  } catch (error) {
    report(error);
    return undefined;
  }
}

/**
 * The refusal that an error of a wait stands for; undefined where it is a failure.
 */
export function asRefusal(error: unknown, charges: readonly Charge[]): ResilienceError | undefined {
  if (!ResilienceError.is(error)) return undefined;
  if (WAITED.has(error.code)) return quotaExceeded(charges, error);
  if (error.code === 'COST_ABOVE_CAPACITY') return quotaExceeded(charges);
  return LIMITED.has(error.code) ? error : undefined;
}
