/** Lists with weights, such as `Accept` and `Accept-Encoding` (RFC 9110 §12.4.2). */

/** A member of a list: its name in lowercase, without its parameters, and its weight from 0 to 1. */
export interface WeightedMember {
  readonly name: string;
  readonly weight: number;
}

/** The members of a field. A member whose weight is invalid is not wanted. */
export function parseWeightedList(field: string): WeightedMember[] {
  return field.split(',').map((member) => {
    const [name = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
    const text = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const weight = text === undefined ? 1 : Number(text.slice(text.indexOf('=') + 1).trim() || 'none');
    return { name, weight: weight >= 0 && weight <= 1 ? weight : 0 };
  });
}

/**
 * The weight of a choice: that of the first of its names that is in the list. Of several members of one name the highest.
 *
 * @param names the most specific first, e.g. `text/plain`, `text/*`, then everything
 */
export function weightOf(list: readonly WeightedMember[], names: readonly string[]): number {
  for (const name of names) {
    const weights = list.filter((member) => member.name === name).map(({ weight }) => weight);
    if (weights.length > 0) return Math.max(...weights);
  }
  return 0;
}
