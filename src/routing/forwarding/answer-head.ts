/**
 * Checks the head of a response before any of it reaches a client. This is the only place that handles two kinds of
 * faults: heads that Node would refuse to write, and heads that the client would read differently from this proxy.
 */
import { STATUS_CODES } from 'node:http';
import { eachEndToEndField, type ResponseFields } from './headers.js';
import { cachedByName } from './name-cache.js';

export interface ResponseHead {
  readonly status: number;
  /** Empty if the instance sent no reason phrase, or one that cannot be written. */
  readonly statusText: string;
  readonly headers: ResponseFields;
}

/** The response of an instance is not valid HTTP. */
export class InvalidAnswerError extends Error {
  override readonly name = 'InvalidAnswerError';
  readonly code = 'HPE_INVALID_ANSWER';
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const isToken = cachedByName((name) => TOKEN.test(name));
const NOT_IN_TEXT = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * The head of a final or informational response in the form in which it can be written.
 *
 * A reason phrase that cannot be written is dropped, because clients ignore it (RFC 9112 §4).
 *
 * @throws InvalidAnswerError for a status, a field or a transfer coding that cannot be passed on
 */
export function checkHead(status: number, statusText: string, headers: ResponseFields): ResponseHead {
  if (!Number.isInteger(status) || status < 100 || status > 999) throw invalid(`its status is ${status}`);
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    if (!isToken(name)) throw invalid('it has an invalid field name');
    if (typeof value === 'string' ? NOT_IN_TEXT.test(value) : value.some((one) => NOT_IN_TEXT.test(one))) {
      throw invalid(`its field ${name} has an invalid value`);
    }
  }
  checkCoding(headers['transfer-encoding']);
  return { status, statusText: reasonOf(status, statusText), headers };
}

/** The reason phrase, if it differs from the standard one and can be written. */
function reasonOf(status: number, statusText: string): string {
  return statusText === STATUS_CODES[status] || NOT_IN_TEXT.test(statusText) ? '' : statusText;
}

/**
 * Only the chunked coding is removed on the way. Any other coding would reach the client as plain bytes (RFC 9112
 * §6.1).
 */
function checkCoding(coding: string | string[] | undefined): void {
  if (coding === undefined) return;
  if (String(coding).trim().toLowerCase() !== 'chunked') throw invalid('its transfer coding cannot be passed on');
}

function invalid(what: string): InvalidAnswerError {
  return new InvalidAnswerError(`the answer is not valid HTTP: ${what}`);
}

/** Whether a response with this status has no body, regardless of its fields (RFC 9110 §6.4.1). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** The head as lines, for a connection that Node has handed over. Accepts only a checked head. */
export function headLines({ status, statusText, headers }: ResponseHead, extra: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status} ${statusText || (STATUS_CODES[status] ?? '')}`];
  eachEndToEndField(headers, (name, value) => {
    for (const one of typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  });
  return `${[...lines, ...extra].join('\r\n')}\r\n\r\n`;
}
