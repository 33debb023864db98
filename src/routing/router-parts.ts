/** The options of the router, and what it makes from them for each service and instance. */
import type { Random } from '../shared/backoff.js';
import { CircuitBreaker, type CircuitBreakerOptions, type CircuitState } from '../shared/circuit-breaker.js';
import type { Clock } from '../shared/clock.js';
import { anyOf, checkOptions, clock as clockCheck, func, having } from '../shared/options.js';
import { milliseconds, number, object, oneOf, string } from '../shared/options.js';
import type { AlgorithmName, BalancingAlgorithm } from './algorithms/index.js';
import type { Instance } from './instance.js';
import { LoadBalancer, type Fitness } from './load-balancer.js';
import type { InstanceMonitor } from './monitor.js';
import { OutlierDetector, type OutlierOptions } from './outlier-detector.js';

/** Balancing, breaking and setting aside, for every service of the router. */
export interface IntelligentRouterOptions {
  /** Whose active checks gate traffic, e.g. a HealthMonitor. Its owner closes it. Default: none, answers alone decide. */
  readonly monitor?: InstanceMonitor;
  /** Algorithm of every service, one of your own made for each, or a LoadBalancer whose algorithm is used. Default 'p2c-ewma'. */
  readonly balancer?: AlgorithmName | LoadBalancer | ((service: string) => AlgorithmName | BalancingAlgorithm);
  /**
   * The breaker of each instance, open while it cannot be reached; false: none. Default: 5 failures in a row; 1 s, then
   * up to 5 s. A refused connection opens it whatever the threshold.
   */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** Ejection of instances that answer worse than their peers; false: none. */
  readonly outlier?: OutlierOptions | false;
  /** Milliseconds an instance that joins or returns takes to reach its whole weight. Default 0. */
  readonly slowStart?: number;
  /** Below this share of usable instances, unhealthy and ejected ones are used too. Default 0.5. */
  readonly panicThreshold?: number;
  /** The router's own zone; instances there are preferred. */
  readonly zone?: string;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: Random;
}

/**
 * Milliseconds a breaker stays open the first time, and the longest. Trying a dead instance again is cheap, since the
 * request is retried elsewhere; not trying one that is back costs its callers, who may have no other.
 */
const OPEN_DURATION = 1000;
const MAX_OPEN_DURATION = 5000;

export function checkRouterOptions(options: IntelligentRouterOptions | undefined): IntelligentRouterOptions {
  return checkOptions('IntelligentRouter', options, {
    monitor: having('a monitor', 'getHealth', 'onInstanceChange'),
    balancer: anyOf(string, func, object('a LoadBalancer')),
    circuitBreaker: anyOf(oneOf(false), object()),
    outlier: anyOf(oneOf(false), object()),
    slowStart: milliseconds,
    panicThreshold: number({ min: 0, max: 1 }),
    zone: string,
    clock: clockCheck,
    random: func,
  });
}

export class RouterParts {
  readonly #options: IntelligentRouterOptions;
  readonly #clock: Clock;

  /** Makes one of each at once: wrong options fail here, not with the first target. */
  constructor(options: IntelligentRouterOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    if (typeof options.balancer !== 'function') this.balancer('', () => 'usable');
    this.breaker(() => undefined);
    this.outliers();
  }

  balancer(service: string, fitness: (instance: Instance) => Fitness): LoadBalancer {
    const { slowStart, panicThreshold, zone, random } = this.#options;
    const options = { slowStart, panicThreshold, zone, random, fitness, clock: this.#clock };
    return new LoadBalancer(this.#algorithm(service), options);
  }

  /** @param threshold failures in a row that open it, where it differs from the options' */
  breaker(onChange: (state: CircuitState) => void, threshold?: number): CircuitBreaker {
    const { circuitBreaker = {} } = this.#options;
    const options = circuitBreaker === false ? { failureThreshold: Infinity } : circuitBreaker;
    const breaker = new CircuitBreaker({
      openDuration: OPEN_DURATION,
      maxOpenDuration: MAX_OPEN_DURATION,
      clock: this.#clock,
      ...options,
      ...(threshold !== undefined && { failureThreshold: threshold }),
    });
    breaker.onStateChange(onChange);
    return breaker;
  }

  get tripsOnRefusal(): boolean {
    return this.#options.circuitBreaker !== false;
  }

  outliers(): OutlierDetector<Instance> {
    const { outlier = {} } = this.#options;
    return new OutlierDetector(outlier === false ? { consecutive: Infinity, stallTimeout: Infinity } : outlier);
  }

  #algorithm(service: string): AlgorithmName | BalancingAlgorithm {
    const { balancer = 'p2c-ewma' } = this.#options;
    if (typeof balancer === 'function') return balancer(service);
    return balancer instanceof LoadBalancer ? (balancer.algorithm as AlgorithmName) : balancer;
  }
}
