/**
 * The meaning of a failed or successful exchange: for the breaker, for another attempt, for this service's own client.
 */
// eslint-disable-next-line @typescript-eslint/ban-ts-comment -- an error cannot be expected: it depends on the user's packages
/** @ts-ignore: axios is an optional peer. Where it is not installed, its types are `any`, also in the declarations. */
import type { AxiosResponse } from 'axios';
import type { Outcome } from '../shared/circuit-breaker.js';
import { wallClock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { isAxiosCancel, isAxiosError } from '../shared/lazy-axios.js';
import { isTimeout } from './deadline.js';

/** The connection never came about: nothing was sent, so that any method may be tried again. */
const NOTHING_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** The connection broke; what the other side has done is unknown. */
const CONNECTION_LOST = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EPROTO']);

/** Codes of Node's HTTP parser: what came is no HTTP. */
const BAD_FRAMING = /^HPE_/;

/** RFC 9110 §9.2.2, and QUERY, which is safe. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']);

/** Statuses that may change with another instance, or with the same one a moment later. */
const PASSING_STATUSES = new Set([502, 503, 504]);

const SECOND = 1000;

/** A response as an error, so that it can be tried again; becomes a response again when it is the last. */
export class PassingStatus extends Error {
  override readonly name = 'PassingStatus';
  readonly response: AxiosResponse;

  constructor(response: AxiosResponse) {
    super(`answered ${response.status}`);
    this.response = response;
  }
}

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method.toUpperCase());
}

export function isPassingStatus(status: number): boolean {
  return PASSING_STATUSES.has(status);
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Whether another attempt may succeed. For a method that is not idempotent, only if nothing was sent. */
export function isWorthRetrying(error: unknown, idempotent: boolean): boolean {
  if (NOTHING_SENT.has(codeOf(error)) || codeOf(error) === 'NO_TARGET_AVAILABLE') return true;
  if (!idempotent) return false;
  return error instanceof PassingStatus || isPeerFailure(error);
}

function isPeerFailure(error: unknown): boolean {
  const code = codeOf(error);
  return NOTHING_SENT.has(code) || CONNECTION_LOST.has(code) || BAD_FRAMING.test(code) || isTimeout(error);
}

/** The meaning of an error for the peer's health: errors of this service and aborts by the caller are ignored. */
export function judgeError(error: unknown): Outcome {
  return isPeerFailure(error) ? 'failure' : 'ignored';
}

/**
 * The meaning of a response for the peer's health. 501 is a missing feature, not a failure. 429, and 503 with
 * Retry-After, come from a busy instance, and count neither for nor against it.
 */
export function judgeResponse(response: AxiosResponse): Outcome {
  const { status } = response;
  if (status === 429 || (status === 503 && retryAfterIn(response) !== undefined)) return 'ignored';
  return status >= 500 && status !== 501 ? 'failure' : 'success';
}

/** The wait in milliseconds that the response of a failed attempt requests. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof PassingStatus ? retryAfterIn(error.response) : undefined;
}

/** Milliseconds of a response's Retry-After: seconds or a date (RFC 9110 §10.2.3). An invalid value is ignored. */
function retryAfterIn(response: AxiosResponse): number | undefined {
  const header: unknown = (response.headers as Record<string, unknown>)['retry-after'];
  const value = typeof header === 'string' ? header.trim() : '';
  if (/^\d+$/.test(value)) return Number(value) * SECOND;
  const date = / GMT$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallClock.now());
}

/**
 * The error for this service's own client when a call to another service failed: UPSTREAM_TIMEOUT (504),
 * UPSTREAM_REFUSED, UPSTREAM_INVALID (502), or the kit's own error unchanged (CIRCUIT_OPEN, NO_TARGET_AVAILABLE). Every
 * error that does not come from a call to a service becomes INTERNAL.
 *
 * @param service the name of the failed service that the client sees; addresses and codes stay hidden, in `cause`
 *
 * @example
 * import { upstreamError } from '@tooloo/resilience';
 *
 * app.get('/invoices', async (_req, res) => {
 *   const response = await fetch('http://billing:3000/invoices').catch((error) => {
 *     throw upstreamError(error, 'billing');
 *   });
 *   res.json(await response.json());
 * });
 */
export function upstreamError(error: unknown, service = 'the upstream'): ResilienceError {
  if (ResilienceError.is(error)) return error;
  const make = (code: 'UPSTREAM_TIMEOUT' | 'UPSTREAM_REFUSED' | 'UPSTREAM_INVALID', what: string): ResilienceError =>
    new ResilienceError(code, `${service} ${what}`, { cause: error });
  if (isAxiosCancel(error)) {
    return new ResilienceError('CLIENT_CLOSED_REQUEST', `the call to ${service} was cancelled`, { cause: error });
  }
  if (!isAxiosError(error)) return new ResilienceError('INTERNAL', `${service} was not called`, { cause: error });
  if (error.response !== undefined) return make('UPSTREAM_INVALID', `answered ${error.response.status}`);
  const code = codeOf(error);
  if (code === 'ECONNABORTED' || code === 'ETIMEDOUT') return make('UPSTREAM_TIMEOUT', 'did not answer in time');
  if (NOTHING_SENT.has(code) || CONNECTION_LOST.has(code)) return make('UPSTREAM_REFUSED', 'could not be reached');
  return make('UPSTREAM_INVALID', 'gave no usable answer');
}
