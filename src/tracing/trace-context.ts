/**
 * W3C Trace Context level 2: `traceparent` and `tracestate` read and written. Pure: no header object, no state.
 */
import { isId } from './ids.js';

/** The content of a `traceparent`. */
export interface TraceParent {
  /** 32 lowercase hexadecimal digits. */
  readonly traceId: string;
  /** 16 lowercase hexadecimal digits: the caller's span. */
  readonly spanId: string;
  /** The caller records this trace. */
  readonly sampled: boolean;
  /** At least the right-most 7 bytes of the trace id are random (§3.2.2.5.2). */
  readonly random: boolean;
}

/** One member of a `tracestate` field. */
export interface TraceStateMember {
  readonly key: string;
  readonly value: string;
}

const PARENT_LENGTH = 55;
const SAMPLED = 0x01;
const RANDOM = 0x02;
const DASH = 45;
const MAX_MEMBERS = 32;

/** §3.3.1.3.1: level 2 allows a digit first, and `@` anywhere after it. */
const KEY = /^[a-z0-9][a-z0-9_\-*/@]{0,255}$/;
/** §3.3.1.3.2: printable ASCII without comma and equals sign, up to 256 characters, not ending in a blank. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * Reads a `traceparent` field value.
 *
 * @returns undefined if it is invalid; a new trace begins then (§3.2.4)
 *
 * @example
 * import { parseTraceparent } from '@tooloo/resilience';
 *
 * const parent = parseTraceparent('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
 * console.log(parent?.traceId); // '4bf92f3577b34da6a3ce929d0e0e4736'
 */
export function parseTraceparent(value: string): TraceParent | undefined {
  if (value.length < PARENT_LENGTH || !isVersionAccepted(value)) return undefined;
  if (value.charCodeAt(2) !== DASH || value.charCodeAt(35) !== DASH || value.charCodeAt(52) !== DASH) return undefined;
  const traceId = value.slice(3, 35);
  const spanId = value.slice(36, 52);
  const flags = hexByte(value, 53);
  if (flags === -1 || !isId(traceId, 32) || !isId(spanId, 16)) return undefined;
  return { traceId, spanId, sampled: (flags & SAMPLED) !== 0, random: (flags & RANDOM) !== 0 };
}

/** §3.2.4: version 00 is exactly 55 characters; a higher one may continue after a dash; ff is invalid. */
function isVersionAccepted(value: string): boolean {
  const version = hexByte(value, 0);
  if (version === 0) return value.length === PARENT_LENGTH;
  if (version === -1 || version === 0xff) return false;
  return value.length === PARENT_LENGTH || value.charCodeAt(PARENT_LENGTH) === DASH;
}

function hexByte(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

/**
 * Writes a version 00 `traceparent`. Flags that this version does not define are zero (§3.2.2.5).
 *
 * @example
 * import { formatTraceparent, parseTraceparent } from '@tooloo/resilience';
 *
 * const parent = parseTraceparent('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
 * if (parent !== undefined) console.log(formatTraceparent(parent));
 */
export function formatTraceparent(parent: TraceParent): string {
  const flags = (parent.sampled ? SAMPLED : 0) | (parent.random ? RANDOM : 0);
  return `00-${parent.traceId}-${parent.spanId}-0${flags}`;
}

/**
 * Reads a `tracestate` field value (several fields joined with commas, in their order).
 *
 * @returns its members, of a repeated key only the newest (left-most). Undefined if any member is illegal or there are
 *   more than 32, because the whole field is dropped then (§3.3.1.4).
 *
 * @example
 * import { parseTracestate } from '@tooloo/resilience';
 *
 * const members = parseTracestate('vendor=a1,other=b2'); // undefined if the value is invalid
 */
export function parseTracestate(value: string): TraceStateMember[] | undefined {
  const members = new Map<string, string>();
  let count = 0;
  for (const part of value.split(',')) {
    const member = trimBlanks(part);
    if (member === '') continue; // §3.3.1.3: empty members are allowed
    const equals = member.indexOf('=');
    const key = member.slice(0, Math.max(0, equals));
    const text = member.slice(equals + 1);
    if (equals === -1 || ++count > MAX_MEMBERS || !KEY.test(key) || !VALUE.test(text)) return undefined;
    if (!members.has(key)) members.set(key, text);
  }
  return Array.from(members, ([key, text]) => ({ key, value: text }));
}

/**
 * Optional white space of HTTP is space and tab only, but `trim` removes more. A loop, because a pattern can be
 * quadratic.
 */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/**
 * Writes a `tracestate`; the empty string when there is no member.
 *
 * @example
 * import { formatTracestate } from '@tooloo/resilience';
 *
 * const field = formatTracestate([{ key: 'vendor', value: 'a1' }]); // 'vendor=a1'
 */
export function formatTracestate(members: readonly TraceStateMember[]): string {
  return members.map(({ key, value }) => `${key}=${value}`).join(',');
}

/**
 * The list with this member set. A changed or added member moves to the left. Beyond 32 members the right-most is
 * dropped (§3.3.1.5).
 *
 * @throws RangeError if the key or value is illegal
 *
 * @example
 * import { formatTracestate, parseTracestate, updateTracestate } from '@tooloo/resilience';
 *
 * const members = parseTracestate('other=b2') ?? [];
 * const field = formatTracestate(updateTracestate(members, 'vendor', 'a1')); // 'vendor=a1,other=b2'
 */
export function updateTracestate(members: readonly TraceStateMember[], key: string, value: string): TraceStateMember[] {
  if (!KEY.test(key)) throw new RangeError(`updateTracestate: the key ${JSON.stringify(key)} is not legal`);
  if (!VALUE.test(value)) throw new RangeError(`updateTracestate: the value of '${key}' is not legal`);
  return [{ key, value }, ...members.filter((member) => member.key !== key)].slice(0, MAX_MEMBERS);
}
