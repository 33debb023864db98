/**
 * Where a text changes its topic, by lexical cohesion. The boundaries are those of the likeliest division; how clear each
 * is, is the depth of the valley of similarity around it, as in TextTiling (Hearst 1997).
 */
import { likeliestBoundaries } from './likeliest-segments.js';

export interface TilingOptions {
  /** Number of units compared on each side of a gap (Hearst's k). */
  readonly blockSize: number;
  /** Number of gaps on each side over which similarities are averaged; 0 turns smoothing off. */
  readonly smoothing: number;
  /** Minimum number of units in a segment. */
  readonly minSegment: number;
  /** The larger, the more boundaries: each costs 1.3 − cutoff logarithms of the number of terms. */
  readonly cutoff: number;
  /** A boundary, or a gap beside it, is deeper than this: a text of one topic has valleys too, but shallow ones. */
  readonly minDepth: number;
}

export interface Gap {
  /** The gap is before the unit with this index. */
  readonly before: number;
  /** Smoothed similarity of the blocks around the gap: 0 to 1. */
  readonly similarity: number;
  /** Sum of the rises of similarity on both sides: 0 to 2. */
  readonly depth: number;
}

export interface Tiling {
  /** One fewer than the number of units. */
  readonly gaps: readonly Gap[];
  /** The minimum depth of a boundary in this text. */
  readonly threshold: number;
  /** Indices of the units that begin a segment, without the first one, ascending. */
  readonly boundaries: readonly number[];
}

/** With the default cutoff of 0.5 a boundary costs 0.8. */
const PRICE = 1.3;

/** Finds the boundaries between units, each given as its terms. */
export function tile(units: readonly (readonly string[])[], options: TilingOptions): Tiling {
  const similarities = smooth(blockSimilarities(units, options.blockSize), options.smoothing);
  const depths = depthScores(similarities);
  const gaps = similarities.map((similarity, i) => ({ before: i + 1, similarity, depth: depths[i]! }));
  const threshold = options.minDepth;
  const isDeep = (before: number): boolean =>
    gaps.slice(Math.max(0, before - 2), before + 1).some((gap) => gap.depth > threshold);
  const boundaries = likeliestBoundaries(units, PRICE - options.cutoff, options.minSegment).filter(isDeep);
  return { gaps, threshold, boundaries };
}

/**
 * Cosine similarity of the terms before and after each gap. Both blocks slide from gap to gap, and their common terms
 * are updated one by one in integers. Therefore the time grows with the text and not with the block size.
 */
export function blockSimilarities(units: readonly (readonly string[])[], blockSize: number): number[] {
  const similarities: number[] = [];
  const left = new Block();
  const right = new Block();
  let common = 0;
  const move = (block: Block, other: Block, unit: readonly string[] | undefined, by: 1 | -1): void => {
    for (const term of unit ?? []) {
      block.change(term, by);
      common += by * other.countOf(term);
    }
  };
  for (const unit of units.slice(0, blockSize)) move(right, left, unit, 1);
  for (let gap = 1; gap < units.length; gap++) {
    move(right, left, units[gap - 1], -1);
    move(left, right, units[gap - 1], 1);
    move(left, right, units[gap - 1 - blockSize], -1);
    move(right, left, units[gap - 1 + blockSize], 1);
    const lengths = Math.sqrt(left.squares * right.squares);
    similarities.push(lengths === 0 ? 0 : Math.min(1, common / lengths));
  }
  return similarities;
}

/** The count of each term in a block, and the sum of the squares of the counts. */
class Block {
  squares = 0;
  readonly #counts = new Map<string, number>();

  countOf(term: string): number {
    return this.#counts.get(term) ?? 0;
  }

  change(term: string, by: 1 | -1): void {
    const before = this.countOf(term);
    this.squares += 2 * by * before + 1;
    if (before + by === 0) this.#counts.delete(term);
    else this.#counts.set(term, before + by);
  }
}

/** Averages each value with its neighbours. At the ends, it uses the neighbours that exist. */
export function smooth(values: readonly number[], reach: number): number[] {
  return values.map((_, i) => mean(values.slice(Math.max(0, i - reach), i + reach + 1)));
}

/** For each value, the sum of the rises to the left and right, up to where the values fall again. */
export function depthScores(values: readonly number[]): number[] {
  return values.map((value, i) => climb(values, i, -1) + climb(values, i, 1) - 2 * value);
}

/** The peak reached from `start` in one direction. */
function climb(values: readonly number[], start: number, step: -1 | 1): number {
  let peak = values[start]!;
  for (let i = start + step; i >= 0 && i < values.length && values[i]! >= peak; i += step) peak = values[i]!;
  return peak;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
