/** Who gets the next request of one service: keeps its instances, their load and the algorithm that picks. */
import type { Random } from '../shared/backoff.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { checkOptions, clock as clockCheck, func, having, milliseconds, number, string } from '../shared/options.js';
import { ALGORITHM_NAMES, createAlgorithm, type AlgorithmName, type BalancingAlgorithm } from './algorithms/index.js';
import { Instance, type InstanceStats } from './instance.js';
import { parseTarget, type Target, type TargetSpec, type TargetUrl } from './target.js';

/** `usable`; `suspect`: only when too few others are left; `closed`: never, whatever the others do. */
export type Fitness = 'usable' | 'suspect' | 'closed';

export interface LoadBalancerOptions {
  /** Milliseconds a new instance takes to reach its whole weight. Default 0: at once. */
  readonly slowStart?: number;
  /** Below this share of usable instances suspects are used too: a sick fleet is better than a crushed rest. Default 0.5. */
  readonly panicThreshold?: number;
  /** Prefer instances of this zone while at least `panicThreshold` of them are usable. */
  readonly zone?: string;
  /** Judges an instance whenever candidates are chosen; call `refresh()` when its answer may differ. Default: all usable. */
  readonly fitness?: (instance: Instance) => Fitness;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: Random;
}

export interface LoadBalancerStats {
  readonly algorithm: string;
  readonly targets: number;
  /** How many may be picked now. */
  readonly candidates: number;
  /** Whether suspects are used because too few are usable. */
  readonly panic: boolean;
  readonly requests: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly instances: readonly InstanceStats[];
}

const WHO = 'LoadBalancer';

/**
 * Balances over the instances of one service.
 *
 * @throws TypeError or RangeError for an unknown algorithm or a wrong option
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

  /** @param algorithm a name, or an algorithm of your own; default 'round-robin' */
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
   * Adds an instance, or takes over the new weight of one whose id is known.
   *
   * @throws TypeError or RangeError for a wrong target
   */
  addTarget(spec: TargetSpec | TargetUrl | string): Instance {
    return this.addParsed(parseTarget(`${WHO}.addTarget`, spec));
  }

  /** The same as `addTarget`. */
  addInstance(spec: TargetSpec | TargetUrl | string): Instance {
    return this.addTarget(spec);
  }

  /** As `addTarget`, for a target already complete. An id whose address changed is a new instance. */
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

  /** Removes an instance; requests in flight to it end as they will. False when there is none of this id. */
  removeTarget(id: string): boolean {
    this.#stale = true;
    return this.#instances.delete(id);
  }

  /** The same as `removeTarget`. */
  removeInstance(id: string): boolean {
    return this.removeTarget(id);
  }

  get(id: string): Instance | undefined {
    return this.#instances.get(id);
  }

  /** Every instance, in the order they were added. */
  instances(): IterableIterator<Instance> {
    return this.#instances.values();
  }

  /** The target the next request goes to; null when there is none. Tell `begin` or `recordRequest` what came of it. */
  nextTarget(requestKey?: string): Target | null {
    return this.pick(requestKey)?.target ?? null;
  }

  /** As `nextTarget`, the live instance; those in `excluded` are left out. */
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
   * A request to this instance starts. Call what is returned when it is over; the second call does nothing.
   *
   * @throws ResilienceError NO_TARGET_AVAILABLE for an unknown id
   */
  begin(id: string): (ok?: boolean) => void {
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

  /** Counts a request as in flight. Each is matched by one `end`. */
  start(instance: Instance): void {
    instance.begin();
    this.#algorithm.changed?.(instance);
  }

  end(instance: Instance): void {
    instance.end();
    this.#algorithm.changed?.(instance);
  }

  /** Reports a request that was not opened with `begin`: its latency in milliseconds and whether it succeeded. */
  recordRequest(id: string, latency: number, ok = true): void {
    const instance = this.#instances.get(id);
    if (instance === undefined) return; // removed meanwhile
    instance.requests++;
    instance.observe(latency, ok ? 'good' : 'bad', this.#clock.now());
  }

  /** Balances by another algorithm from the next request on. */
  setAlgorithm(algorithm: AlgorithmName | BalancingAlgorithm): void {
    this.#algorithm = resolveAlgorithm(algorithm, this.#random);
    this.#stale = true;
  }

  /** Forgets what was learned about speed, so that traffic spreads anew. Requests in flight stay counted. */
  rebalance(): LoadBalancerStats {
    for (const instance of this.#instances.values()) instance.forget();
    this.#stale = true;
    return this.getStats();
  }

  /** The fitness of an instance may have changed: candidates are chosen anew before the next pick. */
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

  /** The statistics of each instance by its id. */
  getLoadStats(): Readonly<Record<string, InstanceStats>> {
    return Object.fromEntries(this.getStats().instances.map((stats) => [stats.id, stats]));
  }

  #known(id: string): Instance {
    const instance = this.#instances.get(id);
    if (instance !== undefined) return instance;
    throw new ResilienceError('NO_TARGET_AVAILABLE', `${WHO}: there is no instance '${id}'`);
  }

  #choose(): void {
    const members = [...this.#instances.values()];
    const usable: Instance[] = [];
    const open: Instance[] = [];
    for (const instance of members) {
      const fitness = this.#fitness?.(instance) ?? 'usable';
      if (fitness !== 'closed') open.push(instance);
      if (fitness === 'usable') usable.push(instance);
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
