/**
 * The requests that a stored response answers (RFC 9111 §4.1): the fields that its `Vary` names, compared by meaning.
 */
import { createHash } from 'node:crypto';
import { fieldNames, type Fields } from './fields.js';

/** A longer key is replaced by its digest, because a cookie must not lead to keys of kilobytes. */
const LONGEST_KEY = 256;

/**
 * The request fields that a `Vary` value names, in lowercase, sorted and unique; undefined if `*` is one of them,
 * because such a response matches no request.
 */
export function varyNames(vary: string | undefined, also: readonly string[] = []): string[] | undefined {
  if (vary === undefined && also.length === 0) return []; // most responses
  const names = [...fieldNames(vary), ...also];
  return names.includes('*') ? undefined : [...new Set(names)].sort();
}

/**
 * The key of a variant: equal for two requests exactly if all named fields match (§4.1). An absent field matches only
 * an absent one.
 */
export function variantKey(names: readonly string[], request: Fields): string {
  const parts = names.map((name) => {
    const value = request[name];
    return value === undefined ? name : `${name}:${normalizeField(name, value)}`;
  });
  const key = parts.join('\n');
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64url');
}

/** A language range (RFC 4647 §2.1), and a coding or a charset: a token. */
const LANGUAGE = /^(?:\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
const MEDIA_RANGE = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+$/;
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/**
 * Normalizes a field value if the grammar of the field is known and the value follows it exactly. Letter case, space
 * and the digits of a weight have no meaning there. The order is kept, because servers prefer the first of equals.
 * Every other value stays unchanged, because its meaning to the application is unknown.
 */
export function normalizeField(name: string, value: string): string {
  switch (name) {
    case 'accept-encoding':
    case 'accept-charset':
      return normalizeList(value, TOKEN);
    case 'accept-language':
      return normalizeList(value, LANGUAGE);
    case 'accept':
      return normalizeList(value, MEDIA_RANGE);
    default:
      return value;
  }
}

function normalizeList(value: string, grammar: RegExp): string {
  // Parameters besides a weight may contain quoted strings with commas, so such a value stays unchanged.
  if (value.includes('"')) return value;
  const members: string[] = [];
  for (const member of value.split(',')) {
    const [item = '', weight, ...others] = member.split(';').map(trimmed);
    const [, digits] = weight === undefined ? [] : (WEIGHT.exec(weight) ?? []);
    if (!grammar.test(item) || others.length > 0 || (weight !== undefined && digits === undefined)) return value;
    const quality = digits === undefined ? 1 : Number(digits);
    members.push(quality === 1 ? item.toLowerCase() : `${item.toLowerCase()};q=${quality}`);
  }
  return members.join(',');
}

/** Without optional white space, which is spaces and tabs (RFC 9110 §5.6.3). */
const trimmed = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');
