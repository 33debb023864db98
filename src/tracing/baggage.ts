/**
 * W3C Baggage: the values that the caller sends along with the trace. They are read, written, and limited before they
 * are passed on.
 */

export interface BaggageEntry {
  readonly key: string;
  /** Decoded. */
  readonly value: string;
  /** The properties after the value, unchanged: `;ttl=30`. */
  readonly properties?: string;
}

/** §3.3.2: the least that must be propagated, and the most that this kit propagates. */
const MAX_MEMBERS = 64;
const MAX_LENGTH = 8192;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const OCTETS = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
const PROPERTY =
  /^[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*(?:=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*)?$/;

/**
 * Reads a `baggage` field value. Invalid members are left out. Of a repeated key the first is kept.
 *
 * @example
 * import { parseBaggage } from '@tooloo/resilience';
 *
 * const [first] = parseBaggage('tenant=acme,plan=pro'); // first?.key is 'tenant', first?.value is 'acme'
 */
export function parseBaggage(header: string): BaggageEntry[] {
  const entries = new Map<string, BaggageEntry>();
  for (const member of boundedMembers(header)) {
    const entry = parseMember(member);
    if (entry !== undefined && !entries.has(entry.key)) entries.set(entry.key, entry);
  }
  return [...entries.values()];
}

function parseMember(member: string): BaggageEntry | undefined {
  const [pair = '', ...properties] = member.split(';');
  const equals = pair.indexOf('=');
  if (equals === -1) return undefined;
  const key = pair.slice(0, equals).trim();
  const text = pair.slice(equals + 1).trim();
  if (!TOKEN.test(key) || !OCTETS.test(text) || !properties.every((property) => PROPERTY.test(property)))
    return undefined;
  const value = decode(text);
  return properties.length === 0
    ? { key, value }
    : { key, value, properties: properties.map((one) => `;${one}`).join('') };
}

/** §3.3.1.3: octets that are not UTF-8 become the replacement character. They do not make the member invalid. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return decodeBytes(text);
  }
}

function decodeBytes(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const pair = /^%[0-9A-Fa-f]{2}/.exec(text.slice(i, i + 3));
    bytes.push(pair === null ? text.charCodeAt(i) : Number.parseInt(pair[0].slice(1), 16));
    if (pair !== null) i += 2;
  }
  return Buffer.from(bytes).toString('utf8');
}

/**
 * Writes a `baggage` field value: values percent-encoded, at most 64 members and 8192 bytes. Later members are left
 * out.
 *
 * @example
 * import { formatBaggage, parseBaggage } from '@tooloo/resilience';
 *
 * const field = formatBaggage(parseBaggage('tenant=acme, plan=pro')); // 'tenant=acme,plan=pro'
 */
export function formatBaggage(entries: readonly BaggageEntry[]): string {
  const members = entries
    .filter(({ key }) => TOKEN.test(key))
    .map(({ key, value, properties = '' }) => `${key}=${encodeURIComponent(wellFormed(value))}${properties}`);
  return boundedMembers(members.join(',')).join(',');
}

/** Half a surrogate pair, which has no UTF-8, becomes the replacement character. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

/**
 * The part of a received `baggage` that is propagated: whole members up to the limits. Nothing is propagated if the
 * field contains a byte that is not allowed in outgoing fields.
 */
export function propagatableBaggage(header: string): string | undefined {
  if (!/^[\x20-\x7e\t]+$/.test(header)) return undefined;
  const kept = boundedMembers(header).join(',');
  return kept === '' ? undefined : kept;
}

function boundedMembers(header: string): string[] {
  const members: string[] = [];
  let length = 0;
  // Only the part up to the limit is read, so a hostile header costs no more than a legal one. A truncated member is
  // left out.
  const looked = header.length > MAX_LENGTH ? header.slice(0, header.lastIndexOf(',', MAX_LENGTH) + 1) : header;
  for (const part of looked.split(',', MAX_MEMBERS)) {
    const member = part.trim();
    const grown = length + member.length + (members.length === 0 ? 0 : 1);
    if (grown > MAX_LENGTH) break;
    if (member === '') continue;
    members.push(member);
    length = grown;
  }
  return members;
}
