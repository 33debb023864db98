/** The interface of a balancing algorithm: it receives the instances and the candidates among them, and picks one. */
import type { BalancedInstance } from '../instance.js';

export type { BalancedInstance };

/**
 * A strategy of the LoadBalancer. Implementations update their derived state in `update` and `changed`, so that `pick`
 * does not need to look at every instance.
 *
 * @example
 * import { LoadBalancer, type BalancedInstance, type BalancingAlgorithm } from '@tooloo/resilience';
 *
 * let candidates: readonly BalancedInstance[] = [];
 * const first: BalancingAlgorithm = {
 *   name: 'first',
 *   update: (current) => void (candidates = current),
 *   pick: (_now, _key, excluded) => candidates.find((instance) => excluded?.has(instance) !== true),
 * };
 * const balancer = new LoadBalancer(first);
 */
export interface BalancingAlgorithm {
  readonly name: string;
  /**
   * Called before a pick if membership, weights or candidates have changed.
   *
   * @param candidates the instances that may be picked, in a stable order.
   * @param members all instances, including those that must not be picked now. The mapping of a key must not depend on
   *   which instances are unhealthy at the moment.
   */
  update(candidates: readonly BalancedInstance[], members: readonly BalancedInstance[]): void;
  /**
   * Picks a candidate for one more request. Returns undefined only if no candidate is left.
   *
   * @param key the key of the request, if the caller has one: the client's address or a session
   * @param excluded instances to avoid, for example because they were tried already. This case is rare, so it may cost
   *   O(n).
   */
  pick(now: number, key?: string, excluded?: ReadonlySet<BalancedInstance>): BalancedInstance | undefined;
  /** Called when the number of requests in flight to this instance changed. */
  changed?(instance: BalancedInstance): void;
}

/**
 * The candidate with the lowest cost that is not excluded. Looks at all candidates, so it is used for retries, where
 * some are excluded.
 */
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
