/** The algorithms by name. */
import type { Random } from '../../shared/backoff.js';
import type { BalancingAlgorithm } from './algorithm.js';
import { consistentHash, ipHash } from './consistent-hash.js';
import { LeastConnections } from './least-connections.js';
import { PowerOfTwoChoices } from './p2c-ewma.js';
import { RoundRobin } from './round-robin.js';
import { SmoothWeighted } from './weighted.js';

export type { BalancedInstance, BalancingAlgorithm } from './algorithm.js';

/** How the next instance is chosen: docs/routing.md explains when to use each algorithm. */
export type AlgorithmName =
  'round-robin' | 'least-connections' | 'weighted' | 'ip-hash' | 'consistent-hash' | 'p2c-ewma';

const CREATE = {
  'round-robin': () => new RoundRobin(),
  'least-connections': () => new LeastConnections(),
  weighted: () => new SmoothWeighted(),
  'ip-hash': () => ipHash(),
  'consistent-hash': () => consistentHash(),
  'p2c-ewma': (random?: Random) => new PowerOfTwoChoices(random),
} as const satisfies Record<AlgorithmName, (random?: Random) => BalancingAlgorithm>;

/**
 * The names of the built-in balancing algorithms.
 *
 * @example
 * import { ALGORITHM_NAMES, LoadBalancer } from '@tooloo/resilience';
 *
 * const balancers = ALGORITHM_NAMES.map((name) => new LoadBalancer(name));
 */
export const ALGORITHM_NAMES = Object.keys(CREATE) as readonly AlgorithmName[];

/** Creates the algorithm with this name. */
export function createAlgorithm(name: AlgorithmName, random?: Random): BalancingAlgorithm {
  return CREATE[name](random);
}
