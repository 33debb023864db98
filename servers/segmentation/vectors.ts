/** Bags of terms as sparse vectors. */

export type TermVector = ReadonlyMap<string, number>;

/** The number of occurrences of each term. */
export function countTerms(terms: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}

export function length(vector: TermVector): number {
  let sum = 0;
  for (const weight of vector.values()) sum += weight * weight;
  return Math.sqrt(sum);
}

export function dot(a: TermVector, b: TermVector): number {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  let sum = 0;
  for (const [term, weight] of small) sum += weight * (large.get(term) ?? 0);
  return sum;
}

/** Cosine similarity of two vectors without negative weights: 0 (nothing in common) to 1. It is 0 if one is empty. */
export function cosine(a: TermVector, b: TermVector): number {
  const lengths = length(a) * length(b);
  return lengths === 0 ? 0 : Math.min(1, dot(a, b) / lengths);
}
