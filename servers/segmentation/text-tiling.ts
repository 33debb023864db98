/**
 * Where a text changes its topic, by lexical cohesion: TextTiling (Hearst 1997). Blocks of units on both sides of a gap
 * are compared; a gap in a valley of similarity that is deep against the rest is a boundary.
 */
export interface TilingOptions {
  /** Units compared on each side of a gap (Hearst's k). */
  readonly blockSize: number;
  /** Gaps averaged on each side when similarities are smoothed; 0 does not smooth. */
  readonly smoothing: number;
  /** Units a segment has at least. */
  readonly minSegment: number;
  /** A boundary is deeper than mean − cutoff · standard deviation of all depths. Hearst's usual choice is 1/2. */
  readonly cutoff: number;
  /** A boundary is deeper than this in any case: a text of one topic has valleys too, but shallow ones. */
  readonly minDepth: number;
}

export interface Gap {
  /** The gap lies before the unit of this index. */
  readonly before: number;
  /** Similarity of the blocks around it, smoothed: 0 to 1. */
  readonly similarity: number;
  /** How far similarity climbs on both sides: 0 to 2. */
  readonly depth: number;
}

export interface Tiling {
  /** One fewer than units. */
  readonly gaps: readonly Gap[];
  /** What a gap's depth had to exceed. */
  readonly threshold: number;
  /** Indices of the units that begin a segment, without the first: ascending. */
  readonly boundaries: readonly number[];
}

/** Finds the boundaries between units, each given as its terms. */
export function tile(units: readonly (readonly string[])[], options: TilingOptions): Tiling {
  const similarities = smooth(blockSimilarities(units, options.blockSize), options.smoothing);
  const depths = depthScores(similarities);
  const gaps = similarities.map((similarity, i) => ({ before: i + 1, similarity, depth: depths[i]! }));
  const threshold = Math.max(options.minDepth, mean(depths) - options.cutoff * standardDeviation(depths));
  return { gaps, threshold, boundaries: chooseBoundaries(gaps, threshold, units.length, options.minSegment) };
}

/**
 * Cosine of the terms before and after each gap. Both blocks slide from gap to gap; what they have in common is kept up
 * term by term in whole numbers, so that the time grows with the text and not with the size of the blocks.
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

/** How often each term occurs in a block, and the sum of the squares of that. */
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

/** Each value averaged with its neighbours; at the ends with those there are. */
export function smooth(values: readonly number[], reach: number): number[] {
  return values.map((_, i) => mean(values.slice(Math.max(0, i - reach), i + reach + 1)));
}

/** How far the values climb to the left and to the right of each before they fall again, added up. */
export function depthScores(values: readonly number[]): number[] {
  return values.map((value, i) => climb(values, i, -1) + climb(values, i, 1) - 2 * value);
}

/** The peak reached from `start` in one direction. */
function climb(values: readonly number[], start: number, step: -1 | 1): number {
  let peak = values[start]!;
  for (let i = start + step; i >= 0 && i < values.length && values[i]! >= peak; i += step) peak = values[i]!;
  return peak;
}

/** The deepest valleys first, as long as no segment becomes shorter than allowed. */
function chooseBoundaries(gaps: readonly Gap[], threshold: number, units: number, minSegment: number): number[] {
  const chosen: number[] = [];
  const candidates = gaps
    .filter(({ depth }, i) => depth > threshold && isValley(gaps, i))
    .sort((a, b) => b.depth - a.depth || a.before - b.before);
  for (const { before } of candidates) {
    const edges = [0, units, ...chosen];
    if (edges.every((edge) => Math.abs(edge - before) >= minSegment)) chosen.push(before);
  }
  return chosen.sort((a, b) => a - b);
}

/** Whether similarity is no lower at the gaps beside it: a slope towards a valley is deep too, but nothing changes there. */
function isValley(gaps: readonly Gap[], i: number): boolean {
  const { similarity } = gaps[i]!;
  return [gaps[i - 1], gaps[i + 1]].every((beside) => beside === undefined || beside.similarity >= similarity);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}
