/** What went wrong between this proxy and an upstream, in the words a client gets. */
import { ResilienceError, type ErrorCode } from '../../shared/errors.js';

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

/** The error a client gets; what exactly happened is its cause and stays here, as do names and addresses. */
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

/** Seconds after which asking again is worth it. */
const RETRY_AFTER = 1;

export function noTargetError(service: string): ResilienceError {
  return new ResilienceError('NO_TARGET_AVAILABLE', `${service}: no instance can take the request`, {
    retryAfter: RETRY_AFTER,
  });
}

export function queueFullError(service: string): ResilienceError {
  return new ResilienceError('QUEUE_FULL', `${service}: too many requests are waiting for an instance`, {
    retryAfter: RETRY_AFTER,
  });
}

export function timeoutError(service: string): ResilienceError {
  return new ResilienceError('UPSTREAM_TIMEOUT', `${service}: ${MEANING.UPSTREAM_TIMEOUT!}`);
}

/** It is the client that keeps the instance waiting; what it still sends is not worth its connection. */
export function bodyTimeoutError(): ResilienceError {
  return new ResilienceError('REQUEST_TIMEOUT', 'the request body stopped coming', {
    headers: { Connection: 'close' },
  });
}
