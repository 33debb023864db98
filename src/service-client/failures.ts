/** What a failed or a successful exchange means: for the breaker, for another attempt, for the client of our own. */
import axios, { type AxiosResponse } from 'axios';
import type { Outcome } from '../shared/circuit-breaker.js';
import { wallClock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { isTimeout } from './deadline.js';

/** The connection never came about: nothing was sent, so that any method may be tried again. */
const NOTHING_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** The connection broke; what the other side has done is unknown. */
const CONNECTION_LOST = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EPROTO']);

/** Codes of Node's HTTP parser: what came is no HTTP. */
const BAD_FRAMING = /^HPE_/;

/** RFC 9110 §9.2.2, and QUERY, which is safe. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'QUERY']);

/** Answers that another instance, or the same a moment later, may give differently. */
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

/** Whether another attempt could go better, and, where the method may not happen twice, nothing was sent. */
export function isWorthRetrying(error: unknown, idempotent: boolean): boolean {
  if (NOTHING_SENT.has(codeOf(error)) || codeOf(error) === 'NO_TARGET_AVAILABLE') return true;
  if (!idempotent) return false;
  return error instanceof PassingStatus || isPeerFailure(error);
}

function isPeerFailure(error: unknown): boolean {
  const code = codeOf(error);
  return NOTHING_SENT.has(code) || CONNECTION_LOST.has(code) || BAD_FRAMING.test(code) || isTimeout(error);
}

/** What the error says about the peer: our own mistakes and our caller's change of mind say nothing. */
export function judgeError(error: unknown): Outcome {
  return isPeerFailure(error) ? 'failure' : 'ignored';
}

/** What the answer says about the peer: 501 is a lack of ability, not of health. */
export function judgeStatus(status: number): Outcome {
  return status >= 500 && status !== 501 ? 'failure' : 'success';
}

/** Milliseconds of a response's Retry-After: seconds or a date (RFC 9110 §10.2.3). Garbage is none. */
export function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof PassingStatus)) return undefined;
  const header: unknown = (error.response.headers as Record<string, unknown>)['retry-after'];
  const value = typeof header === 'string' ? header.trim() : '';
  if (/^\d+$/.test(value)) return Number(value) * SECOND;
  const date = / GMT$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallClock.now());
}

/**
 * The error to answer our own client with when a call to another service failed: UPSTREAM_TIMEOUT (504),
 * UPSTREAM_REFUSED, UPSTREAM_INVALID (502), or the kit's own error as it is (CIRCUIT_OPEN, NO_TARGET_AVAILABLE).
 * Anything that no call to a service raised is INTERNAL.
 *
 * @param service what the client is told failed; addresses and codes stay inside, as `cause`
 */
export function upstreamError(error: unknown, service = 'the upstream'): ResilienceError {
  if (ResilienceError.is(error)) return error;
  const make = (code: 'UPSTREAM_TIMEOUT' | 'UPSTREAM_REFUSED' | 'UPSTREAM_INVALID', what: string): ResilienceError =>
    new ResilienceError(code, `${service} ${what}`, { cause: error });
  if (axios.isCancel(error)) {
    return new ResilienceError('CLIENT_CLOSED_REQUEST', `the call to ${service} was cancelled`, { cause: error });
  }
  if (!axios.isAxiosError(error)) return new ResilienceError('INTERNAL', `${service} was not called`, { cause: error });
  if (error.response !== undefined) return make('UPSTREAM_INVALID', `answered ${error.response.status}`);
  const code = codeOf(error);
  if (code === 'ECONNABORTED' || code === 'ETIMEDOUT') return make('UPSTREAM_TIMEOUT', 'did not answer in time');
  if (NOTHING_SENT.has(code) || CONNECTION_LOST.has(code)) return make('UPSTREAM_REFUSED', 'could not be reached');
  return make('UPSTREAM_INVALID', 'gave no usable answer');
}
