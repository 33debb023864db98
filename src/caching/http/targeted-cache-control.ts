/** Cache directives for one kind of cache only (RFC 9213): `CDN-Cache-Control`, and this kit's own field. */
import { parseDictionary, type BareItem, type Dictionary } from 'structured-headers';
import { MAX_DELTA_SECONDS, parseCacheControl, type CacheControl } from './cache-control.js';
import { fieldNames } from './fields.js';
import type { RuleFields } from './rule-fields.js';

/** The targeted fields this cache obeys, the most specific first (§2.2). */
export const TARGET_LIST = ['tooloo-cache-control', 'cdn-cache-control'] as const;

const SECONDS = ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'];
const FLAGS = ['no-store', 'public', 'must-revalidate', 'proxy-revalidate', 'must-understand', 'immutable'];
const LIMITED = ['no-cache', 'private'];

export interface ResponseDirectives {
  readonly directives: CacheControl;
  /** True: they are from a targeted field, so this cache ignores `Cache-Control` and `Expires` (§2.2). */
  readonly targeted: boolean;
}

/** The directives for this cache: of the first valid, non-empty targeted field, otherwise of Cache-Control. */
export function responseDirectives(fields: RuleFields): ResponseDirectives {
  for (const name of TARGET_LIST) {
    const value = fields[name];
    const directives = value === undefined ? undefined : parseTargeted(value);
    if (directives !== undefined) return { directives, targeted: true };
  }
  return { directives: parseCacheControl(fields['cache-control']), targeted: false };
}

/**
 * A targeted field is a Dictionary (RFC 9651 §3.2). Any error in it, including a known directive of the wrong type,
 * makes the whole field invalid, as does an empty value (§2.1). Unknown directives are ignored.
 */
export function parseTargeted(value: string): CacheControl | undefined {
  let dictionary: Dictionary;
  try {
    dictionary = parseDictionary(value);
  } catch {
    return undefined;
  }
  if (dictionary.size === 0) return undefined;
  const members: string[] = [];
  for (const [name, [item]] of dictionary) {
    const member = Array.isArray(item) ? undefined : asDirective(name, item);
    if (member === undefined && isKnown(name)) return undefined;
    if (member !== undefined && member !== '') members.push(member);
  }
  return parseCacheControl(members.join(', '));
}

const isKnown = (name: string): boolean => SECONDS.includes(name) || FLAGS.includes(name) || LIMITED.includes(name);

/** A directive in the form of `Cache-Control`; '' for a boolean that is false; undefined for a wrong type. */
function asDirective(name: string, item: BareItem): string | undefined {
  if (SECONDS.includes(name)) {
    return typeof item === 'number' && Number.isInteger(item) && item >= 0
      ? `${name}=${Math.min(item, MAX_DELTA_SECONDS)}`
      : undefined;
  }
  if (!isKnown(name)) return undefined;
  if (typeof item === 'boolean') return item ? name : '';
  if (!LIMITED.includes(name) || typeof item !== 'string') return undefined;
  return `${name}="${fieldNames(item).join(', ')}"`;
}
