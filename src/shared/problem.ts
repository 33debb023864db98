/** Errors as RFC 9457 problem documents. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { abortResponse } from './abort-response.js';
import { isHttp2 } from './http2-message.js';
import { ERRORS, messageOf, ResilienceError, type ErrorCode } from './errors.js';
import { noteErrorOf } from './instrumentation.js';

/** Types registered elsewhere keep their registered URI; the others are named by their code. */
const REGISTERED_TYPES: Partial<Record<ErrorCode, string>> = {
  QUOTA_EXCEEDED: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
};

/** The codes for the status of a foreign error. Every other status is named by its reason phrase. */
const CODES_BY_STATUS: Readonly<Partial<Record<number, ErrorCode>>> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  409: 'CONFLICT',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  431: 'HEADERS_TOO_LARGE',
  500: 'INTERNAL',
};

/** Fields that describe the body or the connection of another response than the problem document. */
const FRAMING_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-language',
  'content-length',
  'content-type',
  'etag',
  'keep-alive',
  'last-modified',
  'proxy-connection',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Fields of the failed response that are removed before the problem document is written. */
const REPLACED_FIELDS = [
  'content-encoding',
  'content-language',
  'content-range',
  'etag',
  'last-modified',
  'transfer-encoding',
  'trailer',
];

const TYPE_BASE = 'https://tooloo.ai/problems/';

/** A problem document of RFC 9457. */
export interface Problem {
  /** URI that identifies the kind of problem (RFC 9457 §3.1.1). */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /**
   * A code of the registry. For an error of another package whose status the registry does not have, it is the status's
   * reason phrase: `FORBIDDEN` for 403.
   */
  readonly code: ErrorCode | (string & {});
  /** Callers of the older system read this member first. */
  readonly ok: false;
  readonly [extension: string]: unknown;
}

const TYPES = new Map<string, string>(
  Object.keys(ERRORS).map((code) => [code, TYPE_BASE + code.toLowerCase().replaceAll('_', '-')]),
);

/** The problem type URI of a code. */
export function problemType(code: ErrorCode): string {
  return REGISTERED_TYPES[code] ?? TYPES.get(code)!;
}

/**
 * A problem document of this code; `detail` describes this occurrence and is shown to the client.
 *
 * @example
 * import { problem, sendProblem } from '@tooloo/resilience';
 *
 * app.use((req, res) => sendProblem(req, res, problem('NOT_FOUND', 'there is no such page')));
 */
export function problem(code: ErrorCode, detail?: string, extensions: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title } = ERRORS[code];
  const type = problemType(code);
  const names = Object.keys(extensions);
  if (names.length === 0 && detail !== undefined) return { type, title, status, detail, code, ok: false };
  // Set one by one: on Node 20, a spread that is followed by other members gives each object a hidden class of its own.
  const document: Record<string, unknown> = {};
  for (const name of names) document[name] = extensions[name];
  document.type = type;
  document.title = title;
  document.status = status;
  if (detail !== undefined) document.detail = detail;
  document.code = code;
  document.ok = false;
  return document as Problem;
}

/**
 * The problem document for a status that another package chose. RFC 9457 §4.2.1: a problem with no more meaning than its
 * status has the type `about:blank` and the status's reason phrase as its title.
 */
function statusProblem(status: number, detail: string | undefined): Problem {
  const code = CODES_BY_STATUS[status];
  if (code !== undefined) return problem(code, detail);
  const phrase = STATUS_CODES[status];
  return {
    type: 'about:blank',
    title: phrase ?? (status < 500 ? 'Client error' : 'Server error'),
    status,
    ...(detail !== undefined && { detail }),
    code: phrase === undefined ? `HTTP_${status}` : phrase.toUpperCase().replaceAll(/[^A-Z]+/g, '_'),
    ok: false,
  };
}

/**
 * Writes a problem document and ends the response. A response that has begun cannot be changed: its connection is
 * destroyed instead, so that the client sees a truncated response and not a wrong one. A complete response is left alone.
 *
 * @example
 * import { problem, sendProblem } from '@tooloo/resilience';
 *
 * app.use((req, res) => sendProblem(req, res, problem('SHUTTING_DOWN', 'the server restarts'), { 'Retry-After': 5 }));
 */
export function sendProblem(
  req: IncomingMessage,
  res: ServerResponse,
  document: Problem,
  headers: Readonly<Record<string, unknown>> = {},
): void {
  writeProblem(req, res, document, headers, undefined);
}

function writeProblem(
  req: IncomingMessage,
  res: ServerResponse,
  document: Problem,
  headers: Readonly<Record<string, unknown>>,
  retryAfter: number | undefined,
): void {
  if (res.writableEnded) return;
  if (res.headersSent) {
    abortResponse(res);
    return;
  }
  const body = JSON.stringify(document);
  const length = Buffer.byteLength(body);
  for (const name of REPLACED_FIELDS) res.removeHeader(name);
  res.setHeader('Cache-Control', 'no-store');
  for (const [name, value] of Object.entries(headers)) setField(res, name, value);
  if (retryAfter !== undefined) res.setHeader('Retry-After', String(Math.max(0, Math.ceil(retryAfter))));
  res.statusCode = document.status;
  // HTTP/2 has no reason phrase (RFC 9113 §8.3.1), and Node warns if one is set.
  if (!isHttp2(req)) res.statusMessage = STATUS_CODES[document.status] ?? '';
  res.setHeader('Content-Type', 'application/problem+json');
  res.setHeader('Content-Length', length);
  if (req.method === 'HEAD') res.end();
  // As text in the encoding of the head, Node writes it together with the head, in one piece instead of two.
  else if (length === body.length) res.end(body, 'latin1');
  else res.end(Buffer.from(body));
}

/** Sets a field that an error carries. A field that HTTP does not allow is left out: the client still needs its answer. */
function setField(res: ServerResponse, name: string, value: unknown): void {
  if (FRAMING_FIELDS.has(name.toLowerCase())) return;
  try {
    res.setHeader(name, value as string);
  } catch {
    // An invalid name or value: ERR_INVALID_HTTP_TOKEN, ERR_INVALID_CHAR, ERR_HTTP_INVALID_HEADER_VALUE.
  }
}

/**
 * Answers a request with the problem document of an error. An error of another package keeps its `status` or `statusCode`
 * of 400 to 599 and its `headers`, as in Express and http-errors. Its message is shown only where `expose` is true. An error
 * without a status gets the status that the response already has, where that is 400 to 599, else 500.
 *
 * An error that an HTTP client raised for another server's response (axios, superagent, got, undici) is a 500: that
 * server's 401 or 404 is not an answer to this request.
 *
 * @example
 * import type { NextFunction, Request, Response } from 'express';
 * import { sendError } from '@tooloo/resilience';
 *
 * app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => sendError(req, res, error));
 */
export function sendError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (ResilienceError.is(error)) {
    const detail = error.code === 'INTERNAL' ? undefined : error.message;
    if (detail !== undefined && ERRORS[error.code].status >= 500) noteErrorOf(req, `${error.code}: ${detail}`);
    writeProblem(req, res, problem(error.code, detail, error.extensions), error.headers, error.retryAfter);
    return;
  }
  const own = foreignStatus(error);
  const { headers } = asRecord(error);
  sendProblem(
    req,
    res,
    statusProblem(errorStatus(error, res), isShown(error) ? messageOf(error) : undefined),
    own !== undefined && typeof headers === 'object' && headers !== null ? (headers as Record<string, unknown>) : {},
  );
}

/** The status that `sendError` answers an error with. */
export function errorStatus(error: unknown, res: ServerResponse): number {
  if (ResilienceError.is(error)) return ERRORS[error.code].status;
  return foreignStatus(error) ?? errorOnly(res.statusCode) ?? 500;
}

function foreignStatus(error: unknown): number | undefined {
  if (isOfClient(error)) return 500;
  const { status, statusCode } = asRecord(error);
  return errorOnly(status) ?? errorOnly(statusCode);
}

function errorOnly(status: unknown): number | undefined {
  const isError = typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
  return isError ? status : undefined;
}

/** Whether the error offers its message: http-errors do by `expose`, Express's URIError is about the client's own path. */
function isShown(error: unknown): boolean {
  const { name, expose } = asRecord(error);
  return !isOfClient(error) && (expose === true || (name === 'URIError' && foreignStatus(error) === 400));
}

/** Whether an HTTP client raised the error: it carries the other server's response, or undici's code. */
function isOfClient(error: unknown): boolean {
  const { response, code } = asRecord(error);
  if (typeof code === 'string' && code.startsWith('UND_ERR_')) return true;
  return typeof (response as { headers?: unknown } | null | undefined)?.headers === 'object';
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return (value ?? {}) as Readonly<Record<string, unknown>>;
}
