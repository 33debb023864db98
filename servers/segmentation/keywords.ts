/**
 * Finds the topic of a segment: the terms that are more frequent than in other segments, and the most typical message.
 */
import { cosine, countTerms, type TermVector } from './vectors.js';

export interface Keyword {
  readonly term: string;
  /** Weight within the segment, 0 to 1. The first keyword has 1. */
  readonly weight: number;
}

/** tf·idf over the segments. 1 is added to idf, so that a text with one segment also has keywords. */
export function topicVectors(segments: readonly (readonly string[])[]): TermVector[] {
  const counts = segments.map(countTerms);
  const holders = countTerms(counts.flatMap((terms) => [...terms.keys()]));
  return counts.map(
    (terms) =>
      new Map(
        [...terms].map(([term, count]) => [
          term,
          (1 + Math.log(count)) * (1 + Math.log(segments.length / holders.get(term)!)),
        ]),
      ),
  );
}

/** The terms with the highest weights, highest first, then in alphabetical order. */
export function topTerms(vector: TermVector, most: number): Keyword[] {
  const sorted = [...vector].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, most);
  const heaviest = sorted[0]?.[1] ?? 1;
  return sorted.map(([term, weight]) => ({ term, weight: weight / heaviest }));
}

/** Index of the most typical unit: the one nearest to the topic. -1 if there are no units. */
export function mostTypical(units: readonly (readonly string[])[], topic: TermVector): number {
  let best = -1;
  let nearest = -1;
  units.forEach((terms, i) => {
    const similarity = cosine(countTerms(terms), topic);
    if (similarity > nearest) {
      nearest = similarity;
      best = i;
    }
  });
  return best;
}
