/** Groups analyses with similar topics: agglomerative clustering with average linkage, by cosine similarity. */
import { cosine, type TermVector } from './vectors.js';

/**
 * Returns the groups, largest first, each as ascending indices of its members. The most similar groups are merged
 * first, as long as their mean similarity is at least `threshold`. Time and memory grow with the square of the count.
 */
export function cluster(vectors: readonly TermVector[], threshold: number): number[][] {
  const groups: number[][] = vectors.map((_, i) => [i]);
  const similarity = similarities(vectors);
  const alive = new Set(vectors.keys());
  const nearest = vectors.map((_, i) => nearestTo(i, alive, similarity));
  for (let a = closest(alive, nearest, similarity); a !== undefined; a = closest(alive, nearest, similarity)) {
    const b = nearest[a]!;
    if (similarity[a]![b]! < threshold) break;
    join(a, b, groups, alive, similarity);
    alive.delete(b);
    // A mean is at most the larger of the two merged values. So only groups whose nearest was one of the two change.
    for (const i of alive)
      if (i === a || nearest[i] === a || nearest[i] === b) nearest[i] = nearestTo(i, alive, similarity);
  }
  return [...alive].map((i) => groups[i]!.sort((x, y) => x - y)).sort((x, y) => y.length - x.length || x[0]! - y[0]!);
}

type Matrix = readonly number[][];

function similarities(vectors: readonly TermVector[]): Matrix {
  const matrix = vectors.map(() => new Array<number>(vectors.length).fill(0));
  for (let i = 0; i < vectors.length; i++) {
    for (let j = i + 1; j < vectors.length; j++) {
      const value = cosine(vectors[i]!, vectors[j]!);
      matrix[i]![j] = value;
      matrix[j]![i] = value;
    }
  }
  return matrix;
}

/** Merges the second group into the first. */
function join(a: number, b: number, groups: number[][], alive: ReadonlySet<number>, similarity: Matrix): void {
  const sizeA = groups[a]!.length;
  const sizeB = groups[b]!.length;
  for (const other of alive) {
    // Lance–Williams: the mean over all members follows from the means and sizes of the two groups.
    const joined = (sizeA * similarity[a]![other]! + sizeB * similarity[b]![other]!) / (sizeA + sizeB);
    similarity[a]![other] = joined;
    similarity[other]![a] = joined;
  }
  groups[a]!.push(...groups[b]!);
}

/** The group most similar to this one; -1 if there is no other. */
function nearestTo(group: number, alive: ReadonlySet<number>, similarity: Matrix): number {
  let best = -1;
  for (const other of alive) {
    if (other !== group && (best === -1 || similarity[group]![other]! > similarity[group]![best]!)) best = other;
  }
  return best;
}

/** The group with the most similar neighbour; undefined if fewer than two groups are left. */
function closest(alive: ReadonlySet<number>, nearest: readonly number[], similarity: Matrix): number | undefined {
  let best: number | undefined;
  for (const i of alive) {
    if (nearest[i] === -1) return undefined;
    if (best === undefined || similarity[i]![nearest[i]!]! > similarity[best]![nearest[best]!]!) best = i;
  }
  return best;
}
