/**
 * Trace and span ids: random, in the W3C sizes. The sampling decision is derived from the trace id, so that every
 * service that sees the trace decides in the same way.
 */
import { randomFillSync } from 'node:crypto';

const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;
const POOL_BYTES = 16_384;
const PART_BYTES = 4096;

// One call of the generator yields hundreds of ids, because one call per id makes random ids expensive. They are written
// as text in smaller parts: an id refers to the text that it is cut from, which stays in memory as long as the id.
const pool = Buffer.allocUnsafe(POOL_BYTES);
let poolPosition = POOL_BYTES;
let digits = '';
let position = 0;

function nextDigits(): string {
  if (poolPosition === POOL_BYTES) {
    randomFillSync(pool);
    poolPosition = 0;
  }
  const from = poolPosition;
  poolPosition += PART_BYTES;
  return pool.toString('hex', from, poolPosition);
}

function take(length: number): string {
  if (position + length > digits.length) {
    digits = nextDigits();
    position = 0;
  }
  const id = digits.slice(position, position + length);
  position += length;
  // All zeroes is the only value that both specifications forbid.
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
export function isId(text: unknown, length: 32 | 16): text is string {
  if (typeof text !== 'string' || text.length !== length) return false;
  let hasDigit = false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
    if (code !== 48) hasDigit = true;
  }
  return hasDigit;
}

/** The position of the 56 bits that level 2 requires to be random. */
const RANDOM_START = TRACE_DIGITS - 14;
const RANDOM_SPACE = 2n ** 56n;

/** Decides by the trace id alone whether the trace is sampled. */
export type Sampler = (traceId: string) => boolean;

/**
 * A sampler for the share `rate`, 0 … 1, of all traces. In every process, the traces chosen at 10 % are among those
 * chosen at 20 %. Hexadecimal digits of equal length sort like the numbers they represent, so no parsing is needed.
 */
export function createSampler(rate: number): Sampler {
  if (rate >= 1) return () => true;
  if (rate <= 0) return () => false;
  const rejected = BigInt(Math.round((1 - rate) * 2 ** 53)) << 3n;
  const threshold = (rejected < RANDOM_SPACE ? rejected : RANDOM_SPACE - 1n).toString(16).padStart(14, '0');
  return (traceId) => traceId.slice(RANDOM_START) >= threshold;
}
