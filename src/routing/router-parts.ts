/** The options of the router, and the parts it creates from them for each service and instance. */
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

/** Balancing, circuit breaking and outlier ejection for every service of the router. */
export interface IntelligentRouterOptions {
  /**
   * Its active checks decide which instances receive requests, e.g. a HealthMonitor. Its owner closes it. Default: no
   * active checks, only responses decide.
   */
  readonly monitor?: InstanceMonitor;
  /**
   * The algorithm of every service, a factory of your own algorithm, or a LoadBalancer whose algorithm is used. Default
   * 'p2c-ewma'.
   */
  readonly balancer?: AlgorithmName | LoadBalancer | ((service: string) => AlgorithmName | BalancingAlgorithm);
  /**
   * The circuit breaker of each instance, open while the instance cannot be reached. False: no breaker. Default: opens
   * after 5 consecutive failures for 1 s, then for up to 5 s. A refused connection opens it regardless of the
   * threshold.
   */
  readonly circuitBreaker?: CircuitBreakerOptions | false;
  /** Ejection of instances that respond worse than their peers. False: no ejection. */
  readonly outlier?: OutlierOptions | false;
  /** Milliseconds in which an instance that joins or returns reaches its whole weight. Default 0. */
  readonly slowStart?: number;
  /** If the share of usable instances is below this, unhealthy and ejected instances are used too. Default 0.5. */
  readonly panicThreshold?: number;
  /** The zone of the router. Instances in it are preferred. */
  readonly zone?: string;
  /** The clock for times and timers. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}

/**
 * Milliseconds that a breaker stays open the first time, and at most. Trying an unavailable instance again is cheap,
 * because the request is retried elsewhere. Not trying a recovered instance costs its callers, because they may have no
 * other instance.
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

  /** Creates one of each part at once, so that invalid options fail here and not with the first target. */
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

  /** @param threshold consecutive failures that open it, if it differs from the options */
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
