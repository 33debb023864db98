/**
 * Trace and span ids: random, in the W3C sizes, and the sampling decision that is read off a trace id, so that every
 * service that sees the trace decides alike.
 */
import { randomFillSync } from 'node:crypto';

const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;
const POOL_BYTES = 4096;

// One call to the system for hundreds of ids: a call for each is what makes random ids expensive.
const pool = Buffer.allocUnsafe(POOL_BYTES);
let digits = '';
let position = 0;

function take(length: number): string {
  if (position + length > digits.length) {
    digits = randomFillSync(pool).toString('hex');
    position = 0;
  }
  const id = digits.slice(position, position + length);
  position += length;
  // All zeroes is the one value both specifications forbid.
  return isZero(id) ? take(length) : id;
}

/** A new trace id: 32 lowercase hexadecimal digits, all of them random (Trace Context level 2 §3.2.2.3). */
export function newTraceId(): string {
  return take(TRACE_DIGITS);
}

/** A new span id: 16 lowercase hexadecimal digits. */
export function newSpanId(): string {
  return take(SPAN_DIGITS);
}

function isZero(id: string): boolean {
  return id.charCodeAt(0) === 48 && /^0+$/.test(id);
}

/** Whether the text is `length` lowercase hexadecimal digits, not all of them zero. */
export function isId(text: string, length: 32 | 16): boolean {
  if (text.length !== length) return false;
  let hasDigit = false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
    if (code !== 48) hasDigit = true;
  }
  return hasDigit;
}

/** Where the 56 bits begin that level 2 promises to be random. */
const RANDOM_START = TRACE_DIGITS - 14;
const RANDOM_SPACE = 2n ** 56n;

/** Decides by a trace id alone whether it belongs to the share sampled. */
export type Sampler = (traceId: string) => boolean;

/**
 * A sampler for the share `rate`, 0 … 1, of all traces. The traces chosen at 10 % are among those chosen at 20 %, in every
 * process. Hexadecimal digits of one length sort as the numbers they write: nothing has to be parsed.
 */
export function createSampler(rate: number): Sampler {
  if (rate >= 1) return () => true;
  if (rate <= 0) return () => false;
  const rejected = BigInt(Math.round((1 - rate) * 2 ** 53)) << 3n;
  const threshold = (rejected < RANDOM_SPACE ? rejected : RANDOM_SPACE - 1n).toString(16).padStart(14, '0');
  return (traceId) => traceId.slice(RANDOM_START) >= threshold;
}
