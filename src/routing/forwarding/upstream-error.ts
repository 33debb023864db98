/** The errors between this proxy and an upstream, in the words that a client receives. */
import { refusal, ResilienceError, type ErrorCode } from '../../shared/errors.js';

const INVALID =
  /^HPE_|^UND_ERR_(?:RES_CONTENT_LENGTH_MISMATCH|HEADERS_OVERFLOW|RES_EXCEEDED_MAX_SIZE)$|^ERR_(?:INVALID_CHAR|HTTP_)/;
const TIMED_OUT = /^(?:ETIMEDOUT|UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT)$/;
const OUR_REQUEST = /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)$/;

const MEANING: Partial<Record<ErrorCode, string>> = {
  UPSTREAM_REFUSED: 'the instance could not be reached or reset the connection',
  UPSTREAM_INVALID: 'the instance answered with something that is not HTTP',
  UPSTREAM_TIMEOUT: 'the instance did not answer in time',
  BAD_REQUEST: 'the request cannot be forwarded as it is',
};

/** The error that a client receives. The exact failure is its cause and stays here, like names and addresses. */
export function upstreamError(service: string, cause: unknown): ResilienceError {
  if (ResilienceError.is(cause)) return cause;
  const code = classify(cause as { readonly name?: unknown; readonly code?: unknown } | null);
  return new ResilienceError(code, `${service}: ${MEANING[code]!}`, { cause });
}

function classify(cause: { readonly name?: unknown; readonly code?: unknown } | null): ErrorCode {
  const code = String(cause?.code);
  if (cause?.name === 'HTTPParserError' || INVALID.test(code)) return 'UPSTREAM_INVALID';
  if (TIMED_OUT.test(code)) return 'UPSTREAM_TIMEOUT';
  if (OUR_REQUEST.test(code)) return 'BAD_REQUEST';
  return 'UPSTREAM_REFUSED';
}

const LOST: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED']);

/** Whether the other side closed or reset an open connection. */
export function isConnectionLost(cause: unknown): boolean {
  return LOST.has((cause as { readonly code?: unknown } | null)?.code);
}

/** The connections to the instance were closed before the request was sent. */
export function instanceClosedError(): Error {
  return Object.assign(new Error('the instance is gone'), { code: 'UND_ERR_CLOSED' });
}

/** The code of a request that an HTTP/2 instance has not processed. */
export const REFUSED_STREAM = 'ERR_REFUSED_STREAM';

/** The code of a request whose HTTP/2 session no longer answers. */
export const DEAD_SESSION = 'ERR_DEAD_SESSION';

/** Ends a session that does not answer, while new connections to its instance do. */
export class DeadSessionError extends Error {
  override readonly name = 'DeadSessionError';
  readonly code = DEAD_SESSION;

  constructor() {
    super('the HTTP/2 session does not answer');
  }
}

/** Unlike after a lost connection, the instance may still be processing the requests of the session. */
export function isDeadSession(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | undefined)?.code === DEAD_SESSION;
}

/** The code of a stream that was reset while its session continues: the instance has received the request. */
export const STREAM_RESET = 'ERR_STREAM_RESET';

/** Whether the instance says that it has not processed the request, so that a request of any method is safe to retry. */
export function isUnprocessed(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | null)?.code === REFUSED_STREAM;
}

/** undici's code for an interim 100 that it did not request: it closes the connection. */
const UNASKED_CONTINUE = 'bad response';

/** Whether a request failed because undici does not accept an unrequested 100 (RFC 9110 §15.2). */
export function isUnaskedContinue(cause: Error): boolean {
  return (cause as { readonly code?: unknown }).code === 'UND_ERR_SOCKET' && cause.message === UNASKED_CONTINUE;
}

/** Seconds after which a retry is useful. */
const RETRY_AFTER = 1;

export function noTargetError(service: string): ResilienceError {
  return refusal('NO_TARGET_AVAILABLE', `${service}: no instance can take the request`, {
    retryAfter: RETRY_AFTER,
  });
}

export function queueFullError(service: string): ResilienceError {
  return refusal('QUEUE_FULL', `${service}: too many requests are waiting for an instance`, {
    retryAfter: RETRY_AFTER,
  });
}

export function timeoutError(service: string): ResilienceError {
  return new ResilienceError('UPSTREAM_TIMEOUT', `${service}: ${MEANING.UPSTREAM_TIMEOUT!}`);
}

/**
 * The client keeps the instance waiting. Its connection is closed, because keeping it for the remaining body is not
 * worth it.
 */
export function bodyTimeoutError(): ResilienceError {
  return new ResilienceError('REQUEST_TIMEOUT', 'the request body stopped coming', {
    headers: { Connection: 'close' },
  });
}
