/** Errors as RFC 9457 problem documents. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERRORS, messageOf, ResilienceError, type ErrorCode } from './errors.js';

/** Types registered elsewhere keep their registered URI; the others are named by their code. */
const REGISTERED_TYPES: Partial<Record<ErrorCode, string>> = {
  QUOTA_EXCEEDED: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
};

/** What a foreign error's 4xx is called here. */
const CODES_BY_STATUS: Readonly<Partial<Record<number, ErrorCode>>> = {
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

const TYPE_BASE = 'https://tooloo.ai/problems/';

/** A problem document of RFC 9457. */
export interface Problem {
  /** URI that identifies the kind of problem (RFC 9457 §3.1.1). */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: ErrorCode;
  /** What callers of the older system look at first. */
  readonly ok: false;
  readonly [extension: string]: unknown;
}

/** The problem type URI of a code. */
export function problemType(code: ErrorCode): string {
  return REGISTERED_TYPES[code] ?? TYPE_BASE + code.toLowerCase().replaceAll('_', '-');
}

/** A problem document of this code; `detail` says what happened this time and is shown to the client. */
export function problem(code: ErrorCode, detail?: string, extensions: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title } = ERRORS[code];
  return {
    ...extensions,
    type: problemType(code),
    title,
    status,
    ...(detail !== undefined && { detail }),
    code,
    ok: false,
  };
}

/**
 * Writes a problem document and ends the response. Once a response has begun there is no honest way to change it: the
 * connection is destroyed instead, so that the client sees a truncated answer and not a wrong one.
 */
export function sendProblem(
  req: IncomingMessage,
  res: ServerResponse,
  document: Problem,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const body = Buffer.from(JSON.stringify(document));
  // What the failed handler prepared describes another body.
  for (const name of ['content-encoding', 'content-range', 'etag', 'last-modified', 'transfer-encoding', 'trailer']) {
    res.removeHeader(name);
  }
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = document.status;
  res.setHeader('Content-Type', 'application/problem+json');
  res.setHeader('Content-Length', body.length);
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : body);
}

/**
 * Answers a request with the problem document of an error. Errors of other packages keep a 4xx that they offer to show
 * (http-errors, e.g. a body parser's 413); everything else is a 500 that tells the client nothing.
 */
export function sendError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (ResilienceError.is(error)) {
    const headers: Record<string, string> = { ...error.headers };
    if (error.retryAfter !== undefined) headers['Retry-After'] = String(Math.max(0, Math.ceil(error.retryAfter)));
    const detail = error.code === 'INTERNAL' ? undefined : error.message;
    sendProblem(req, res, problem(error.code, detail, error.extensions), headers);
    return;
  }
  const code = errorCodeOf(error);
  sendProblem(req, res, problem(code, code === 'INTERNAL' ? undefined : messageOf(error)));
}

/**
 * The code an error is answered with. A foreign error is believed only when it says that it may be shown, as
 * http-errors do, or is the URIError Express raises for a malformed parameter: the 404 or 401 that another service
 * answered to *us* arrives as an error with a `status` too, and is none of our client's business.
 */
export function errorCodeOf(error: unknown): ErrorCode {
  if (ResilienceError.is(error)) return error.code;
  const { name, expose, status, statusCode } = (error ?? {}) as Record<string, unknown>;
  if (expose !== true && name !== 'URIError') return 'INTERNAL';
  const named = status ?? statusCode;
  if (typeof named !== 'number' || named < 400 || named > 499) return 'INTERNAL';
  return CODES_BY_STATUS[named] ?? 'BAD_REQUEST';
}
