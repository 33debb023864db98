/**
 * Picks the cheaper of two random candidates, where the cost is the peak-EWMA latency times the requests in flight. Two
 * choices spread the load nearly as evenly as comparing all candidates, and avoid the herd that follows a single best
 * instance. O(1).
 */
import type { Random } from '../../shared/backoff.js';
import { cheapest, type BalancedInstance, type BalancingAlgorithm } from './algorithm.js';

/**
 * Draws for one weighted choice before the last candidate drawn is accepted: very different weights need more draws.
 */
const MAX_DRAWS = 32;

export class PowerOfTwoChoices implements BalancingAlgorithm {
  readonly name = 'p2c-ewma';
  readonly #random: Random;
  #candidates: readonly BalancedInstance[] = [];
  #maxWeight = 1;

  constructor(random: Random = Math.random) {
    this.#random = random;
  }

  update(candidates: readonly BalancedInstance[]): void {
    this.#candidates = candidates;
    this.#maxWeight = candidates.reduce((max, instance) => Math.max(max, instance.weight(Infinity)), 0);
  }

  pick(now: number, _key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined {
    if (excluded !== undefined && excluded.size > 0) {
      return cheapest(this.#candidates, (instance) => instance.cost(now), excluded);
    }
    const { length } = this.#candidates;
    if (length <= 1) return this.#candidates[0];
    const first = this.#draw(now, length, -1);
    const second = this.#draw(now, length, first);
    const a = this.#candidates[first]!;
    const b = this.#candidates[second]!;
    return b.cost(now) < a.cost(now) ? b : a;
  }

  /** An index drawn in proportion to the weights, other than `other`. */
  #draw(now: number, length: number, other: number): number {
    const choices = other === -1 ? length : length - 1;
    let index = 0;
    for (let i = 0; i < MAX_DRAWS; i++) {
      index = Math.floor(this.#random() * choices);
      if (other !== -1 && index >= other) index++;
      const weight = this.#candidates[index]!.weight(now);
      if (weight >= this.#maxWeight || this.#random() * this.#maxWeight < weight) break;
    }
    return index;
  }
}
