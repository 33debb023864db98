/** Limits what callers pass as attributes, and makes it plain: any of it may come from a client. Nothing here throws. */
import type { Attributes, AttributeValue } from '../shared/instrumentation.js';
import { describeValue, propertyOf, shorten } from '../shared/user-value.js';

/** The most attributes of a span. */
export const MAX_ATTRIBUTES = 64;
/** Code units of the name of an attribute or operation. */
const MAX_NAME = 256;
const MAX_MEMBERS = 128;

/** Limits an attribute value and makes it plain, because it may come from a client. Never throws. */
export function boundedValue(value: unknown): AttributeValue {
  if (typeof value === 'string') return shorten(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  return boundedList(value) ?? describeValue(value);
}

/** A list with its members bounded; undefined if the value is not a list, or is a proxy that throws. */
function boundedList(value: unknown): AttributeValue | undefined {
  if (typeof value !== 'object') return undefined;
  try {
    // A list within a list is replaced by a description, because attributes have one level and a list may contain
    // itself.
    if (Array.isArray(value)) return value.slice(0, MAX_MEMBERS).map(boundedMember) as unknown as AttributeValue;
  } catch {
    // A proxy, revoked or with traps that throw.
  }
  return undefined;
}

function boundedMember(value: unknown): string | number | boolean {
  return typeof value === 'number' || typeof value === 'boolean' ? value : describeValue(value);
}

/** The names of the attributes of an object; empty if it is a proxy that throws. */
export function namesOf(attributes: object): string[] {
  try {
    return Object.keys(attributes);
  } catch {
    return [];
  }
}

/** As in OpenTelemetry, `null` and `undefined` are not valid attributes. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export const boundedName = (name: unknown): string => describeValue(name, MAX_NAME);

export function boundedAttributes(attributes: Readonly<Record<string, unknown>>): Attributes {
  const names = namesOf(attributes).slice(0, MAX_ATTRIBUTES);
  const given = names.map((name) => [name, propertyOf(attributes, name)] as const);
  const plain = given.filter(([, value]) => isGiven(value));
  return Object.fromEntries(plain.map(([name, value]) => [boundedName(name), boundedValue(value)]));
}
