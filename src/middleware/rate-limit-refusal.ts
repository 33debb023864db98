/** How a request is refused: which error, with which `Retry-After`, and who is told. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Charge } from '../rate-limiting/index.js';
import { ResilienceError, type ErrorCode } from '../shared/errors.js';
import { sendError } from '../shared/problem.js';
import type { LimitedRequest, RateLimitOptions } from './rate-limit-options.js';

/** Codes that mean "limited"; the others of this kit are failures and answered as such. */
const LIMITED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'QUOTA_EXCEEDED',
  'COST_ABOVE_CAPACITY',
  'CONCURRENCY_EXCEEDED',
]);

/** Waits in vain: to the client they are a quota exceeded. */
const WAITED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ACQUIRE_TIMEOUT', 'QUEUE_FULL']);

/** What part of the wait is added at random, so that those refused together do not come back together. */
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
  return new ResilienceError('QUOTA_EXCEEDED', detail, {
    cause,
    extensions: { 'violated-policies': names },
    ...(wait !== undefined && { retryAfter: wait }),
  });
}

function costAboveCapacity({ cost, quota }: Charge): ResilienceError {
  return new ResilienceError(
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

/** Tells `onLimited` and answers. Returns false where the request is to be served all the same (`dryRun`). */
export type Refuse = (req: IncomingMessage, res: ServerResponse, refusal: Refusal) => boolean;

export function refusing(onLimited: RateLimitOptions['onLimited'], dryRun: boolean): Refuse {
  return (req, res, { key, charges, error }) => {
    if (onLimited !== undefined) {
      const isQuota = error.code !== 'CONCURRENCY_EXCEEDED';
      const policies = isQuota ? charges.filter((one) => one.retryAfter > 0).map(({ quota }) => quota.name) : [];
      tell(onLimited, { key, error, policies, dryRun }, req, res);
    }
    if (dryRun) return false;
    if (!res.headersSent && !res.writableEnded) sendError(req, res, error);
    return true;
  };
}

/** The user's callback must not decide by failing: what it throws, or rejects with, becomes a warning. */
function tell(
  onLimited: NonNullable<RateLimitOptions['onLimited']>,
  limited: LimitedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const warn = (error: unknown): void => {
    process.emitWarning(error instanceof Error ? error : String(error), { code: 'RESILIENCE_ON_LIMITED' });
  };
  try {
    const result = onLimited(limited, req, res);
    if (result instanceof Promise) result.catch(warn);
  } catch (error) {
    warn(error);
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
