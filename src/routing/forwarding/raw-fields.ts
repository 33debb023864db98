/**
 * Header fields from the raw form that Node's clients give. Their other form joins repeated fields into one line, and
 * keeps only the first of some.
 */
import type { ResponseFields } from './headers.js';

/** Lowercase names, with repeated fields as arrays: the form that undici gives. Pseudo-header fields are left out. */
export function fieldsOf(raw: readonly string[]): ResponseFields {
  const fields = Object.create(null) as Record<string, string | string[]>;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (name.charCodeAt(0) === 0x3a /* : */) continue;
    const value = raw[i + 1]!;
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (typeof before === 'string') fields[name] = [before, value];
    else before.push(value);
  }
  return fields;
}
