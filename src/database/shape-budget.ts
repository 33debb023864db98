/**
 * Keeps the time spent on shapes within a share of the time of the statements. While a workload would exceed it, one text
 * in so many is read, chosen at random, and stands for that number of statements. So a shape is always that of the
 * statement, and a count is an estimate without bias. A cheaper shape would merge different statements instead.
 */
import type { Clock } from '../shared/clock.js';

/** Texts that are read regardless of the cost: with fewer, an estimate would be poor and little would be saved. */
const READ_FIRST = 1_000;
/** At most so many statements for each text that is read, so that no shape stays unseen for long. */
const LARGEST_STEP = 256;
/** Statements after which the past counts half, so that the share follows a workload that changes. */
const HALF_LIFE = 4_096;
/** One in so many readings is timed, because reading the clock costs a third of the fastest of them. */
const TIMED_EVERY = 16;
/** Weight of a new time in the average of its class. */
const RECENT = 1 / 8;
/** A reading that takes more than so many times the average was interrupted, and counts as that. */
const INTERRUPTED = 2;
/** Milliseconds to find whether a text is known, measured with `bench/database/shapes.js`. */
const LOOKUP = 0.000_03;
/** Classes of length, one for each power of two. */
const CLASSES = 33;

export interface ShapeBudgetOptions {
  /** Of the time of the statements, from 0 to 1. */
  readonly share: number;
  readonly clock: Clock;
  readonly random?: (() => number) | undefined;
}

const classOf = (sql: string): number => 32 - Math.clz32(sql.length);

export class ShapeBudget {
  readonly #share: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Milliseconds for a reading, by the class of the text's length; NaN before the first. */
  readonly #costs = new Float64Array(CLASSES).fill(NaN);
  #readings = 0;
  #settled = 0;
  /** Milliseconds that the statements may still spend on texts. */
  #left = 0;
  /** Milliseconds for reading all texts that do not pay for themselves. */
  #wanted = 0;

  constructor({ share, clock, random = Math.random }: ShapeBudgetOptions) {
    this.#share = share;
    this.#clock = clock;
    this.#random = random;
  }

  /** For how many statements the reading of this text would stand; 0 if it is not to be read. */
  weigh(sql: string): number {
    if (this.#share === 1 || this.#readings < READ_FIRST || Number.isNaN(this.#costs[classOf(sql)])) return 1;
    const step = this.#step();
    return step === 1 ? 1 : this.#random() * step < 1 ? step : 0;
  }

  /** Reads a text with this function, and learns what that costs. */
  read(sql: string, shapeOf: (sql: string) => string): string {
    const kind = classOf(sql);
    const known = this.#costs[kind]!;
    if (++this.#readings % TIMED_EVERY !== 0 && !Number.isNaN(known)) return shapeOf(sql);
    const start = this.#clock.now();
    const shape = shapeOf(sql);
    const took = this.#clock.now() - start;
    this.#costs[kind] = known > 0 ? known + RECENT * (Math.min(took, INTERRUPTED * known) - known) : took;
    return shape;
  }

  /**
   * Counts the time of a statement.
   *
   * @param isKnown whether its shape was known without a reading
   * @returns whether its time alone pays for its text
   */
  settle(sql: string, duration: number, isKnown: boolean): boolean {
    if (++this.#settled % HALF_LIFE === 0) {
      this.#left /= 2;
      this.#wanted /= 2;
    }
    const earned = this.#share * duration;
    this.#left += earned - LOOKUP;
    const cost = isKnown ? 0 : this.#costs[classOf(sql)]!;
    if (cost <= earned) this.#left -= cost;
    else if (cost > earned) this.#wanted += cost; // not where it is NaN
    return cost <= earned;
  }

  /** A whole number, so that counts stay whole. */
  #step(): number {
    if (this.#wanted === 0 || this.#wanted <= this.#left) return 1;
    return this.#left <= 0 ? LARGEST_STEP : Math.min(Math.ceil(this.#wanted / this.#left), LARGEST_STEP);
  }
}
