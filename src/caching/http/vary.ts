/** Which requests a stored response answers (RFC 9111 §4.1): the fields its `Vary` names, compared by meaning. */
import { createHash } from 'node:crypto';
import { fieldNames, splitList, type Fields } from './fields.js';

/** A longer key is replaced by its digest: a cookie must not make keys of kilobytes. */
const LONGEST_KEY = 256;

/**
 * The request fields a `Vary` value selects on, lowercase, sorted, each once; undefined where `*` is among them: such a
 * response matches no request.
 */
export function varyNames(vary: string | undefined, also: readonly string[] = []): string[] | undefined {
  const names = [...fieldNames(vary), ...also];
  return names.includes('*') ? undefined : [...new Set(names)].sort();
}

/** Tells variants apart: equal for two requests exactly when all the fields named match (§4.1). An absent field matches only an absent one. */
export function variantKey(names: readonly string[], request: Fields): string {
  const parts = names.map((name) => {
    const value = request[name];
    return value === undefined ? name : `${name}:${normalizeField(name, value)}`;
  });
  const key = parts.join('\n');
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64url');
}

/**
 * A field value in one spelling of its meaning. Languages and codings compare in any order among equal weights; media
 * ranges keep theirs, because servers prefer the first of equals; unknown lists only lose their optional space.
 */
export function normalizeField(name: string, value: string): string {
  switch (name) {
    case 'accept-encoding':
    case 'accept-language':
    case 'accept-charset':
      return weighted(value).sort(byWeight).map(formatWeighted).join(',');
    case 'accept':
      return weighted(value).map(formatWeighted).join(',');
    case 'cookie':
    case 'user-agent':
    case 'authorization':
      return value; // no lists: a comma and its space are part of the value
    default:
      return splitList(value).join(',');
  }
}

interface Weighted {
  readonly value: string;
  readonly weight: number;
}

function weighted(value: string): Weighted[] {
  return splitList(value).map((member) => {
    const [first = '', ...parameters] = member.split(';').map((part) => part.trim());
    const q = parameters.find((parameter) => /^q=/i.test(parameter));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    const others = parameters.filter((parameter) => parameter !== q);
    return {
      value: [canonicalName(first.toLowerCase()), ...others].join(';'),
      weight: Number.isNaN(weight) ? 1 : weight,
    };
  });
}

/** The aliases RFC 9110 §8.4.1 has recipients treat as equal. */
const canonicalName = (coding: string): string =>
  coding === 'x-gzip' || coding === 'x-compress' ? coding.slice(2) : coding;

const byWeight = (a: Weighted, b: Weighted): number =>
  b.weight - a.weight || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0);

const formatWeighted = ({ value, weight }: Weighted): string => (weight === 1 ? value : `${value};q=${weight}`);
