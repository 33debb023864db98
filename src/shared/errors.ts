/**
 * The one registry of errors: code, HTTP status, meaning. `docs/errors.md` lists the same rows and a test keeps the
 * two equal. An error that reaches a client becomes `application/problem+json` through `problem.ts`.
 */
import { types } from 'node:util';
import { describeValue, isError, propertyOf } from './user-value.js';

interface ErrorDefinition {
  /** Status of the response when the error reaches an HTTP client. */
  readonly status: number;
  /** Short human-readable summary, the same for every occurrence (RFC 9457 §3.1.4). */
  readonly title: string;
}

/**
 * The status and the title of each error code. docs/errors.md explains each code.
 *
 * @example
 * import { ERRORS } from '@tooloo/resilience';
 *
 * console.log(ERRORS.QUOTA_EXCEEDED.status); // 429
 */
export const ERRORS = {
  // The request
  BAD_REQUEST: { status: 400, title: 'The request is malformed' },
  VALIDATION_FAILED: { status: 400, title: 'The request has invalid fields' },
  CONTROL_TOKEN_REQUIRED: { status: 401, title: 'This route needs the control token' },
  CONTROL_FORBIDDEN: { status: 403, title: 'This route is closed to the caller' },
  NOT_FOUND: { status: 404, title: 'There is nothing at this address' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  CONFLICT: { status: 409, title: 'The request conflicts with the current state' },
  BODY_TOO_LARGE: { status: 413, title: 'The request body is too large' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The media type is not supported' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The request headers are too large' },
  CLIENT_CLOSED_REQUEST: { status: 499, title: 'The client closed the connection' },

  // Limits
  QUOTA_EXCEEDED: { status: 429, title: 'The request quota is exceeded' },
  COST_ABOVE_CAPACITY: { status: 429, title: 'The request costs more than the limit can ever hold' },
  ACQUIRE_TIMEOUT: { status: 429, title: 'The wait for a token timed out' },
  QUEUE_FULL: { status: 503, title: 'Too many requests are waiting' },
  CONCURRENCY_EXCEEDED: { status: 503, title: 'Too many requests are in flight' },
  STORE_UNAVAILABLE: { status: 503, title: 'The shared store is unavailable' },

  // Upstreams
  UPSTREAM_REFUSED: { status: 502, title: 'The upstream refused or reset the connection' },
  UPSTREAM_INVALID: { status: 502, title: 'The upstream answered with an invalid response' },
  NO_TARGET_AVAILABLE: { status: 503, title: 'No instance is available' },
  CIRCUIT_OPEN: { status: 503, title: 'The circuit is open' },
  UPSTREAM_TIMEOUT: { status: 504, title: 'The upstream did not answer in time' },
  CACHE_ONLY_MISS: { status: 504, title: 'The cache holds no usable response' },

  // Resources
  POOL_TIMEOUT: { status: 503, title: 'No connection became available in time' },
  POOL_CLOSED: { status: 503, title: 'The connection pool is closed' },
  CONNECTION_FAILED: { status: 503, title: 'The connection could not be opened' },
  CONNECTION_LOST: { status: 503, title: 'The connection was lost before the answer' },
  TRANSACTION_ROLLED_BACK: { status: 500, title: 'The database rolled the transaction back' },
  DRIVER_UNAVAILABLE: { status: 503, title: 'The database driver cannot be loaded' },
  PACKAGE_MISSING: { status: 503, title: 'A package that this needs is not installed' },
  STORAGE_FULL: { status: 507, title: 'There is no room left to store this' },
  LOAD_TIMEOUT: { status: 504, title: 'The value took too long to load' },
  LOAD_CYCLE: { status: 500, title: 'The value is loaded by a loader that waits for it' },
  SHUTTING_DOWN: { status: 503, title: 'The service is shutting down' },
  NOT_CONFIGURED: { status: 503, title: 'The feature is not configured' },
  NOT_READY: { status: 503, title: 'The service is not ready' },
  START_FAILED: { status: 500, title: 'The instance could not be started' },
  INTERNAL: { status: 500, title: 'The server failed' },
} as const satisfies Record<string, ErrorDefinition>;

/** The codes of the registry; docs/errors.md explains when each occurs. */
export type ErrorCode = keyof typeof ERRORS;

/** The parts of the response to an HTTP client besides the message. */
export interface ResilienceErrorOptions extends ErrorOptions {
  /** Members added to the problem document: shown to the client, so never a secret. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** Seconds for `Retry-After`; whole numbers, rounded up. */
  readonly retryAfter?: number;
  /** Header fields the response carries, e.g. `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An error of this kit: `code` names it, `status` is the HTTP status for a client, `message` states the place, the
 * problem and the reason. If it is an expected refusal, such as a full queue or a spent quota, its `stack` has the message and
 * no frames.
 *
 * @example
 * import { ResilienceError } from '@tooloo/resilience';
 *
 * app.get('/orders/:id', () => {
 *   throw new ResilienceError('NOT_FOUND', 'there is no such order');
 * });
 */
export class ResilienceError extends Error {
  override readonly name: string = 'ResilienceError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly extensions: Readonly<Record<string, unknown>>;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: ResilienceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.title = ERRORS[code].title;
    this.extensions = options.extensions ?? {};
    this.retryAfter = options.retryAfter;
    this.headers = options.headers ?? {};
  }

  /** True for an error of any copy of this package: the CommonJS and the ES module build may meet in one process. */
  static is(error: unknown): error is ResilienceError {
    return isOwn(error);
  }
}

/**
 * An error that is an expected answer and not a fault, such as a full queue. Its `stack` has its message and no frames:
 * under a flood of refusals, frames that are never read cost more than the rest of the error.
 */
export function refusal(code: ErrorCode, message: string, options?: ResilienceErrorOptions): ResilienceError {
  const { stackTraceLimit } = Error;
  // `Reflect.set` because an assignment throws where the intrinsics are frozen.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return new ResilienceError(code, message, options);
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  }
}

/** Outside of the class: a bundle renames a class that refers to itself, and Node and loggers show that name. */
function isOwn(error: unknown): error is ResilienceError {
  if (error instanceof ResilienceError) return true;
  if (!(error instanceof Error) || !('code' in error) || !('extensions' in error)) return false;
  return typeof error.code === 'string' && Object.hasOwn(ERRORS, error.code);
}

/**
 * The message of anything thrown, for logs and probes. Never throws; at most 1024 characters.
 *
 * @example
 * import { messageOf } from '@tooloo/resilience';
 *
 * await createReport().catch((error) => console.error(`no report: ${messageOf(error)}`));
 */
export function messageOf(error: unknown): string {
  return describeValue(error);
}

/**
 * Returns anything thrown as an Error. A value that is not an Error appears in the message, the `code` and the cause.
 * Never throws.
 */
export function asError(error: unknown): Error {
  // An Error of another realm (a vm context, a native addon) is one too. A proxy of one may throw whenever it is read.
  if (isError(error) && !types.isProxy(error)) return error;
  const message = propertyOf(error, 'message');
  const code = propertyOf(error, 'code');
  const told = new Error(describeValue(typeof message === 'string' ? message : error), { cause: error });
  return typeof code === 'string' ? Object.assign(told, { code }) : told;
}
