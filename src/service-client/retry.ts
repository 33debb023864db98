/** Retries with jitter, within a deadline and a budget, as long as the error may be temporary. */
import { fullJitter, type Random } from '../shared/backoff.js';
import { monotonicClock, sleep, type Clock } from '../shared/clock.js';
import { withPresentNames, type FormerNames } from '../shared/former-options.js';
import { callGuarded } from '../shared/listeners.js';
import {
  checkOptions,
  clock,
  count,
  func,
  having,
  milliseconds,
  object,
  positive,
  type OptionChecks,
} from '../shared/options.js';
import type { RetryBudget } from '../shared/retry-budget.js';
import { orAborted, startDeadline, type Deadline } from './deadline.js';

/** How often, and how far apart. */
export interface RetryOptions {
  /** Attempts after the first. Default 2. */
  readonly retries?: number;
  /** Waits are random in [0, (2^n − 1) · base) milliseconds. Default 25. */
  readonly base?: number;
  /** The longest wait in milliseconds, unless `retryAfter` is longer. Default 250. */
  readonly cap?: number;
  /** Milliseconds for everything together. Default: no limit. */
  readonly timeout?: number;
  /** Milliseconds for each attempt. Default: what is left of `timeout`. */
  readonly attemptTimeout?: number;
  /** Retries shared with other calls. Default: no limit but `retries`. */
  readonly budget?: RetryBudget;
  /** Whether another attempt could go better. Default: always. */
  readonly isRetryable?: (error: unknown) => boolean;
  /**
   * The least milliseconds that the other side requests to wait. If they do not fit in `timeout`, there is no retry.
   */
  readonly retryAfter?: (error: unknown) => number | undefined;
  /** Called before each wait with the error, the number of the retry (1 is the first) and the milliseconds. */
  readonly onRetry?: (error: unknown, retry: number, delay: number) => unknown;
  /** Ends everything with its reason. */
  readonly signal?: AbortSignal;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: Random;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The former name of `retries`, here and in a service client. */
export const FORMER_RETRY_NAMES: FormerNames<Pick<RetryOptions, 'retries'>> = { maxRetries: 'retries' };

const CHECKS: OptionChecks<RetryOptions> = {
  retries: count(0),
  base: milliseconds,
  cap: milliseconds,
  timeout: positive,
  attemptTimeout: positive,
  budget: having('a RetryBudget', 'begin', 'end', 'tryRetry', 'endRetry'),
  isRetryable: func,
  retryAfter: func,
  onRetry: func,
  signal: object('an AbortSignal'),
  random: func,
  clock,
};

/** Milliseconds before the next attempt, or undefined if no retry follows. */
function nextDelay(error: unknown, retry: number, options: RetryOptions, deadline: Deadline): number | undefined {
  const { retries = 2, isRetryable, retryAfter } = options;
  if (retry > retries || deadline.signal.aborted) return undefined;
  if (isRetryable !== undefined && !isRetryable(error)) return undefined;
  const delay = Math.max(fullJitter(retry, options), retryAfter?.(error) ?? 0);
  return delay < deadline.left() ? delay : undefined;
}

async function attemptOnce<T>(
  call: (signal: AbortSignal, attempt: number) => T | Promise<T>,
  attempt: number,
  { attemptTimeout = Infinity, clock: time = monotonicClock }: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  const limit = startDeadline(time, attemptTimeout, signal);
  try {
    return await orAborted((async () => call(limit.signal, attempt))(), limit.signal);
  } finally {
    limit.release();
  }
}

/** `retry` for options that are known to be right: a client checks its own once, not at every request. */
export async function retryUnchecked<T>(
  call: (signal: AbortSignal, attempt: number) => T | Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { timeout = Infinity, signal, budget, onRetry, clock: time = monotonicClock } = options;
  const deadline = startDeadline(time, timeout, signal);
  let isRetry = false;
  budget?.begin();
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await attemptOnce(call, attempt, options, deadline.signal);
      } catch (error) {
        if (isRetry) budget?.endRetry();
        isRetry = false;
        const delay = nextDelay(error, attempt, options, deadline);
        if (delay === undefined || budget?.tryRetry() === false) throw error;
        isRetry = true; // the wait counts too: it is a request on its way
        if (onRetry !== undefined) callGuarded('retry.onRetry', onRetry, error, attempt, delay);
        await sleep(time, delay, deadline.signal, true);
      }
    }
  } finally {
    if (isRetry) budget?.endRetry();
    budget?.end();
    deadline.release();
  }
}

/**
 * Calls `call(signal, attempt)` until it succeeds, and settles as its last attempt did. Only for what may safely happen
 * twice. `signal` aborts when the attempt's time is up, the deadline passes or the caller aborts; a call that does not
 * heed it is left behind.
 *
 * @throws the last attempt's error, the signal's reason, or ResilienceError UPSTREAM_TIMEOUT when a time is up
 *
 * @example
 * import { retry } from '@tooloo/resilience';
 *
 * const response = await retry((signal) => fetch('http://billing:3000/prices', { signal }), { retries: 3, timeout: 2000 });
 */
export async function retry<T>(
  call: (signal: AbortSignal, attempt: number) => T | Promise<T>,
  options?: RetryOptions,
): Promise<T> {
  return retryUnchecked(
    call,
    checkOptions('retry', withPresentNames<RetryOptions>('retry', options, FORMER_RETRY_NAMES), CHECKS),
  );
}
