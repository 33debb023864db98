/** What a balancing algorithm is: it is told who there is and who may be picked, and picks. */
import type { BalancedInstance } from '../instance.js';

export type { BalancedInstance };

/**
 * A strategy of the LoadBalancer. Implementations keep what they derive from the instances up to date through
 * `update` and `changed`, so that `pick` need not look at all of them.
 */
export interface BalancingAlgorithm {
  readonly name: string;
  /**
   * Called before a pick whenever membership, weights or candidacy changed.
   *
   * @param candidates those that may be picked, in a stable order
   * @param members those and the ones that may not be picked now: what a key maps to must not depend on who is ill today
   */
  update(candidates: readonly BalancedInstance[], members: readonly BalancedInstance[]): void;
  /**
   * Picks a candidate for one more request; undefined only when there is none left.
   *
   * @param key of the request, where the caller has one: the client's address, a session
   * @param excluded instances not wanted this time (tried already); rare, so it may cost O(n)
   */
  pick(now: number, key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined;
  /** The number of requests in flight to this instance changed. */
  changed?(instance: BalancedInstance): void;
}

/** The cheapest candidate not excluded, looking at all of them: for retries, where some are excluded. */
export function cheapest(
  candidates: Iterable<BalancedInstance>,
  cost: (instance: BalancedInstance) => number,
  excluded?: ReadonlySet<BalancedInstance>,
): BalancedInstance | undefined {
  let best: BalancedInstance | undefined;
  let bestCost = Infinity;
  for (const instance of candidates) {
    if (excluded?.has(instance)) continue;
    const price = cost(instance);
    if (best === undefined || price < bestCost) {
      best = instance;
      bestCost = price;
    }
  }
  return best;
}
