/** What a segment is about: the terms it has more of than the other segments, and the message that says most of it. */
import { cosine, countTerms, type TermVector } from './vectors.js';

export interface Keyword {
  readonly term: string;
  /** Weight within the segment, 0 to 1, the first being 1. */
  readonly weight: number;
}

/** tf·idf over the segments, with 1 added to idf so that a text of one segment has keywords too. */
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

/** The heaviest terms, heaviest first, ties in alphabetical order. */
export function topTerms(vector: TermVector, most: number): Keyword[] {
  const sorted = [...vector].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, most);
  const heaviest = sorted[0]?.[1] ?? 1;
  return sorted.map(([term, weight]) => ({ term, weight: weight / heaviest }));
}

/** Index of the unit nearest to the topic as a whole: its most typical one. -1 where there are none. */
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
