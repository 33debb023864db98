/** Picks the instance for the next request of one service: keeps the instances, their load and the algorithm. */
import type { Random } from '../shared/backoff.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkOptions, clock as clockCheck, func, having, milliseconds, number, string } from '../shared/options.js';
import { ALGORITHM_NAMES, createAlgorithm, type AlgorithmName, type BalancingAlgorithm } from './algorithms/index.js';
import { Instance, type InstanceStats } from './instance.js';
import { parseTarget, type Target, type TargetSpec, type TargetUrl } from './target.js';

/** `usable`; `suspect`: used only if too few others are left; `closed`: never used, regardless of the others. */
export type Fitness = 'usable' | 'suspect' | 'closed';

/** Slow start, the panic threshold and the zone. */
export interface LoadBalancerOptions {
  /** Milliseconds in which a new instance reaches its whole weight. Default 0: at once. */
  readonly slowStart?: number;
  /**
   * If the share of usable instances is below this, suspects are used too, because overloading the few healthy ones
   * would break them as well. Default 0.5.
   */
  readonly panicThreshold?: number;
  /** The zone to prefer while at least the `panicThreshold` share of its instances is usable. */
  readonly zone?: string;
  /**
   * Judges an instance when candidates are chosen. Call `refresh()` when its result may differ. Default: all are
   * usable.
   */
  readonly fitness?: (instance: Instance) => Fitness;
  /** The clock for times and timers. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** The source of random numbers. Default `Math.random`. */
  readonly random?: Random;
}

/** The state of a balancer and of its instances. */
export interface LoadBalancerStats {
  readonly algorithm: string;
  readonly targets: number;
  /** The number of instances that may be picked now. */
  readonly candidates: number;
  /** Whether suspects are used because too few instances are usable. */
  readonly panic: boolean;
  readonly requests: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly instances: readonly InstanceStats[];
}

/** A target as callers write it. A numeric id is converted to its digits, because older callers have such ids. */
export type TargetInput =
  | (Omit<TargetSpec, 'id'> & { readonly id?: string | number })
  | (Omit<TargetUrl, 'id'> & { readonly id?: string | number })
  | string;

function withTextId(spec: TargetInput): TargetSpec | TargetUrl | string {
  if (typeof spec !== 'object' || spec === null || !Number.isFinite(spec.id)) return spec as TargetSpec;
  return { ...spec, id: String(spec.id) };
}

const WHO = 'LoadBalancer';

/**
 * Balances over the instances of one service.
 *
 * @throws TypeError or RangeError for an unknown algorithm or a invalid option
 *
 * @example
 * import { LoadBalancer } from '@tooloo/resilience';
 *
 * const balancer = new LoadBalancer('least-connections');
 * balancer.addTarget('http://10.0.0.1:8080');
 * balancer.addTarget({ host: '10.0.0.2', port: 8080, weight: 2 });
 * console.log(balancer.nextTarget()?.origin);
 */
export class LoadBalancer {
  readonly #clock: Clock;
  readonly #random: Random | undefined;
  readonly #slowStart: number;
  readonly #panicThreshold: number;
  readonly #zone: string | undefined;
  readonly #fitness: ((instance: Instance) => Fitness) | undefined;
  readonly #instances = new Map<string, Instance>();
  #algorithm: BalancingAlgorithm;
  #candidates: readonly Instance[] = [];
  #panic = false;
  #stale = true;

  /** @param algorithm the name of an algorithm, or your own algorithm; default 'round-robin' */
  constructor(algorithm: AlgorithmName | BalancingAlgorithm = 'round-robin', options?: LoadBalancerOptions) {
    const checked = checkOptions(WHO, options, {
      slowStart: milliseconds,
      panicThreshold: number({ min: 0, max: 1 }),
      zone: string,
      fitness: func,
      clock: clockCheck,
      random: func,
    });
    this.#clock = checked.clock ?? monotonicClock;
    this.#random = checked.random;
    this.#slowStart = checked.slowStart ?? 0;
    this.#panicThreshold = checked.panicThreshold ?? 0.5;
    this.#zone = checked.zone;
    this.#fitness = checked.fitness;
    this.#algorithm = resolveAlgorithm(algorithm, this.#random);
  }

  get algorithm(): string {
    return this.#algorithm.name;
  }

  get size(): number {
    return this.#instances.size;
  }

  /**
   * Adds an instance, or updates the weight of a known id.
   *
   * @throws TypeError or RangeError for an invalid target
   */
  addTarget(spec: TargetInput): Instance {
    return this.addParsed(parseTarget(`${WHO}.addTarget`, withTextId(spec)));
  }

  /** The same as `addTarget`. */
  addInstance(spec: TargetInput): Instance {
    return this.addTarget(spec);
  }

  /** Like `addTarget`, for a target that is already complete. A known id with a changed address is a new instance. */
  addParsed(target: Target): Instance {
    const known = this.#instances.get(target.id);
    this.#stale = true;
    if (known !== undefined && known.target.origin === target.origin) {
      known.target = target;
      return known;
    }
    const instance = new Instance(target, this.#slowStart, this.#clock.now());
    this.#instances.set(target.id, instance);
    return instance;
  }

  /** Removes an instance. Requests in flight to it are not interrupted. Returns false if no instance has this id. */
  removeTarget(id: string | number): boolean {
    this.#stale = true;
    return this.#instances.delete(String(id));
  }

  /** The same as `removeTarget`. */
  removeInstance(id: string | number): boolean {
    return this.removeTarget(id);
  }

  get(id: string | number): Instance | undefined {
    return this.#instances.get(String(id));
  }

  /** All instances, in the order in which they were added. */
  instances(): IterableIterator<Instance> {
    return this.#instances.values();
  }

  /**
   * The target for the next request; null if no instance is left. Report the outcome with `begin` or `recordRequest`.
   */
  nextTarget(requestKey?: string): Target | null {
    return this.pick(requestKey)?.target ?? null;
  }

  /** Like `nextTarget`, but returns the live instance and leaves out those in `excluded`. */
  pick(requestKey?: string, excluded?: ReadonlySet<Instance>): Instance | undefined {
    if (this.#stale) this.#choose();
    return this.#algorithm.pick(this.#clock.now(), requestKey, excluded) as Instance | undefined;
  }

  /** Instances that may be picked now. */
  candidates(): readonly Instance[] {
    if (this.#stale) this.#choose();
    return this.#candidates;
  }

  /**
   * A request to this instance starts. Call the returned function when it is over; a second call does nothing.
   *
   * @throws ResilienceError NO_TARGET_AVAILABLE for an unknown id
   */
  begin(id: string | number): (ok?: boolean) => void {
    const instance = this.#known(id);
    const startedAt = this.#clock.now();
    this.start(instance);
    instance.startWaiting(startedAt);
    let open = true;
    return (ok = true) => {
      if (!open) return;
      open = false;
      const now = this.#clock.now();
      instance.stopWaiting(now, true);
      instance.observe(now - startedAt, ok ? 'good' : 'bad', now);
      this.end(instance);
    };
  }

  /** Counts a request as in flight. Every call is matched by one call of `end`. */
  start(instance: Instance): void {
    instance.begin();
    this.#algorithm.changed?.(instance);
  }

  end(instance: Instance): void {
    instance.end();
    this.#algorithm.changed?.(instance);
  }

  /** Reports a request that was not opened with `begin`: its latency in milliseconds, and whether it succeeded. */
  recordRequest(id: string | number, latency: number, ok = true): void {
    const instance = this.get(id);
    if (instance === undefined) return; // removed meanwhile
    instance.requests++;
    instance.observe(latency, ok ? 'good' : 'bad', this.#clock.now());
  }

  /** Uses another algorithm from the next request on. */
  setAlgorithm(algorithm: AlgorithmName | BalancingAlgorithm): void {
    this.#algorithm = resolveAlgorithm(algorithm, this.#random);
    this.#stale = true;
  }

  /** Forgets the measured latencies, so that traffic spreads anew. Requests in flight stay counted. */
  rebalance(): LoadBalancerStats {
    for (const instance of this.#instances.values()) instance.forget();
    this.#stale = true;
    return this.getStats();
  }

  /** The state of an instance may have changed. Candidates are chosen again before the next pick. */
  refresh(): void {
    this.#stale = true;
  }

  getStats(): LoadBalancerStats {
    const now = this.#clock.now();
    const instances = [...this.#instances.values()].map((instance) => instance.stats(now));
    const sum = (of: (stats: InstanceStats) => number): number => instances.reduce((total, one) => total + of(one), 0);
    return {
      algorithm: this.#algorithm.name,
      targets: instances.length,
      candidates: this.candidates().length,
      panic: this.#panic,
      requests: sum((one) => one.requests),
      failures: sum((one) => one.failures),
      inFlight: sum((one) => one.inFlight),
      instances,
    };
  }

  /** The statistics of each instance, by id. */
  getLoadStats(): Readonly<Record<string, InstanceStats>> {
    return Object.fromEntries(this.getStats().instances.map((stats) => [stats.id, stats]));
  }

  #known(id: string | number): Instance {
    const instance = this.get(id);
    if (instance !== undefined) return instance;
    throw new ResilienceError('NO_TARGET_AVAILABLE', `${WHO}: there is no instance '${id}'`);
  }

  #choose(): void {
    const members = [...this.#instances.values()];
    const usable: Instance[] = [];
    const open: Instance[] = [];
    for (const instance of members) {
      const fitness = this.#fitness?.(instance) ?? 'usable';
      if (fitness !== 'closed' && instance.target.weight > 0) open.push(instance);
      if (fitness === 'usable' && instance.target.weight > 0) usable.push(instance);
    }
    this.#panic = usable.length < this.#panicThreshold * open.length || usable.length === 0;
    this.#candidates = this.#panic ? open : this.#preferZone(usable, members);
    for (const instance of members) instance.isCandidate = false;
    for (const instance of this.#candidates) instance.isCandidate = true;
    this.#algorithm.update(this.#candidates, members);
    this.#stale = false;
  }

  #preferZone(usable: readonly Instance[], members: readonly Instance[]): readonly Instance[] {
    if (this.#zone === undefined) return usable;
    const local = usable.filter(({ zone }) => zone === this.#zone);
    const total = members.reduce((sum, { zone }) => sum + (zone === this.#zone ? 1 : 0), 0);
    return local.length > 0 && local.length >= this.#panicThreshold * total ? local : usable;
  }
}

function resolveAlgorithm(algorithm: AlgorithmName | BalancingAlgorithm, random?: Random): BalancingAlgorithm {
  if (typeof algorithm === 'string') {
    if (ALGORITHM_NAMES.includes(algorithm)) return createAlgorithm(algorithm, random);
    throw new RangeError(`${WHO}: the algorithm is one of ${ALGORITHM_NAMES.join(', ')}, got '${String(algorithm)}'`);
  }
  const check = having('an algorithm', 'update', 'pick');
  if (check.type(algorithm)) return algorithm;
  throw new TypeError(`${WHO}: expected the name of an algorithm or ${check.expected}`);
}
