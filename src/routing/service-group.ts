/** The instances of one service with the known state of each: load, health, ejection, breaker and drain. */
import type { CircuitBreaker, CircuitState } from '../shared/circuit-breaker.js';
import type { Clock } from '../shared/clock.js';
import type { Instance } from './instance.js';
import type { Fitness, LoadBalancer } from './load-balancer.js';
import type { InstanceStatus } from './monitor.js';
import type { OutlierDetector } from './outlier-detector.js';
import { Route } from './route.js';
import { StallDetector, type LivenessProbe } from './stall-detector.js';
import { addressOf, type Target } from './target.js';

/** Why an instance no longer receives requests, or 'up' when it receives them again. */
export type TargetState = 'up' | 'unhealthy' | 'ejected' | 'stalled' | 'circuit-open' | 'draining' | 'removed';

/** An instance and its state in the router. */
export interface Member {
  readonly service: string;
  readonly instance: Instance;
  breaker: CircuitBreaker;
  draining: boolean;
  /** Whether it was ejected because it did not respond, and not because of its responses. */
  stalled: boolean;
  /** As the monitor reports it; undefined if the monitor does not know the instance. */
  health: InstanceStatus | undefined;
  readonly stall: StallDetector;
  /** The previous result, to detect when the instance returns. */
  fitness: Fitness;
  /** Called when no request is in flight. */
  onIdle: Array<() => void>;
}

export interface ServiceGroupParts {
  readonly service: string;
  readonly clock: Clock;
  readonly outliers: OutlierDetector<Instance>;
  readonly createBalancer: (fitness: (instance: Instance) => Fitness) => LoadBalancer;
  readonly createBreaker: (onChange: (state: CircuitState) => void) => CircuitBreaker;
  /** Whether an instance without a listening process is excluded at once. A breaker would need several failures. */
  readonly tripsOnRefusal: boolean;
  readonly onChange: (member: Member, state: TargetState) => void;
}

export class ServiceGroup {
  readonly service: string;
  readonly balancer: LoadBalancer;
  readonly outliers: OutlierDetector<Instance>;
  readonly #parts: ServiceGroupParts;
  readonly #clock: Clock;
  readonly #members = new Map<Instance, Member>();
  /** When the candidates may change by time alone: the end of an ejection, or a breaker that allows a probe. */
  #nextChange = Infinity;

  constructor(parts: ServiceGroupParts) {
    this.service = parts.service;
    this.outliers = parts.outliers;
    this.#parts = parts;
    this.#clock = parts.clock;
    this.balancer = parts.createBalancer((instance) => this.#judge(instance));
  }

  members(): IterableIterator<Member> {
    return this.#members.values();
  }

  find(id: string): Member | undefined {
    const instance = this.balancer.get(id);
    return instance && this.#members.get(instance);
  }

  /** Adds a target, or updates its weight. A draining target that is added again receives requests again. */
  add(target: Target): Member {
    const before = this.balancer.get(target.id);
    const instance = this.balancer.addParsed(target);
    const known = this.#members.get(instance);
    if (known !== undefined) {
      if (known.draining) {
        known.draining = false;
        this.#changed(known, 'up');
      }
      return known;
    }
    if (before !== undefined) this.#forget(before);
    const member: Member = {
      service: this.service,
      instance,
      breaker: this.#parts.createBreaker((state) => this.breakerChanged(instance, state)),
      draining: false,
      stalled: false,
      health: undefined,
      stall: new StallDetector(),
      fitness: 'usable',
      onIdle: [],
    };
    this.#members.set(instance, member);
    this.outliers.add(instance);
    this.#changed(member, 'up');
    return member;
  }

  remove(id: string): boolean {
    const instance = this.balancer.get(id);
    if (instance === undefined) return false;
    this.balancer.removeTarget(id);
    this.#forget(instance);
    return true;
  }

  /** Sends it no new requests. Settles when no request is in flight to it. */
  drain(member: Member): Promise<void> {
    if (!member.draining) {
      member.draining = true;
      this.#changed(member, 'draining');
    }
    if (member.instance.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => member.onIdle.push(resolve));
  }

  setHealth(member: Member, health: InstanceStatus | undefined): void {
    if (member.health === health) return;
    const wasIll = isIll(member.health);
    member.health = health;
    if (wasIll === isIll(health)) return;
    if (!isIll(health)) this.outliers.release(member.instance, this.#clock.now()); // it was checked and responds again
    this.#changed(member, isIll(health) ? 'unhealthy' : 'up');
  }

  /**
   * A route to the instance for the next request; undefined if all instances are excluded. Suspicion is a preference
   * and not a strict exclusion. If no better instance is left, one with an open breaker is tried too: it may have
   * recovered, and its clients have no other instance.
   */
  acquire(key?: string, excluded?: ReadonlySet<Instance>): Route | undefined {
    let refused = excluded;
    for (;;) {
      const instance = this.choose(key, refused);
      if (instance === undefined) return this.#lastResort(excluded);
      const route = this.open(this.#members.get(instance)!);
      if (route !== undefined) return route;
      refused = new Set(refused).add(instance); // half open, and all its probes are in flight
    }
  }

  /** The instance for the next request, without opening a route. */
  choose(key?: string, excluded?: ReadonlySet<Instance>): Instance | undefined {
    if (this.#nextChange !== Infinity && this.#clock.now() >= this.#nextChange) this.#refresh();
    return this.balancer.pick(key, excluded);
  }

  /** A route to a given instance, unless its breaker rejects it. */
  open(member: Member): Route | undefined {
    const permit = member.breaker.tryAcquire();
    return permit && new Route(this, member, permit, this.#clock);
  }

  /** A route to a given instance, regardless of its breaker; undefined while it drains. */
  openAnyway(member: Member): Route | undefined {
    return this.open(member) ?? (member.draining ? undefined : new Route(this, member, undefined, this.#clock));
  }

  /** The remaining instance whose breaker admits requests again soonest. */
  #lastResort(excluded: ReadonlySet<Instance> | undefined): Route | undefined {
    let best: Member | undefined;
    for (const member of this.#members.values()) {
      if (member.draining || excluded?.has(member.instance)) continue;
      if (best === undefined || member.breaker.retryAfter < best.breaker.retryAfter) best = member;
    }
    return best && this.openAnyway(best);
  }

  /** Whether the instance may be picked now. Sticky sessions use it. */
  isUsable(member: Member): boolean {
    return this.#judge(member.instance) === 'usable';
  }

  succeeded(member: Member, now: number): void {
    this.outliers.succeeded(member.instance, now);
  }

  /** Records whether its response failed. Unless its breaker is closed, the breaker alone decides: it tries sooner. */
  failed(member: Member): void {
    if (member.breaker.state !== 'closed') return;
    if (this.outliers.failed(member.instance, this.#clock.now())) this.#changed(member, 'ejected');
  }

  /** No process listens at its address. */
  refused(member: Member): void {
    if (this.#parts.tripsOnRefusal && member.breaker.state !== 'open') member.breaker.trip();
  }

  /** It responded although its breaker was open, which is enough evidence to close the breaker. */
  reached(member: Member): void {
    if (member.breaker.state !== 'closed') member.breaker.reset();
  }

  /** It responded to a waiting request. Regardless of its other states, it is not frozen. */
  woke(member: Member): void {
    if (!member.stalled) return;
    member.stalled = false;
    if (this.outliers.release(member.instance, this.#clock.now())) this.#changed(member, 'up');
  }

  ended(member: Member): void {
    this.balancer.end(member.instance);
    if (member.instance.inFlight > 0 || member.onIdle.length === 0) return;
    for (const resolve of member.onIdle.splice(0)) resolve();
  }

  /** The instance's state in a word. */
  stateOf(member: Member): 'usable' | 'probing' | Exclude<TargetState, 'up' | 'removed'> {
    if (member.draining) return 'draining';
    const circuit = member.breaker.state;
    if (circuit !== 'closed') return circuit === 'open' ? 'circuit-open' : 'probing';
    if (this.outliers.ejectedUntil(member.instance) > this.#clock.now()) return member.stalled ? 'stalled' : 'ejected';
    return isIll(member.health) ? 'unhealthy' : 'usable';
  }

  /**
   * Ejects frozen instances. An instance is frozen if requests wait longer than its slowest responses explain, nothing
   * else arrives from it, and it does not respond to a probe. Slowness alone is not evidence.
   *
   * @param probe undefined: the silence alone decides
   */
  checkStalls(probe: LivenessProbe | undefined): void {
    const now = this.#clock.now();
    for (const member of this.#members.values()) {
      const { instance, stall } = member;
      if (!stall.isFrozen(instance, this.outliers.stallTimeout, now, probe, () => this.woke(member))) continue;
      if (!this.outliers.eject(instance, now)) continue;
      member.stalled = true;
      this.#changed(member, 'stalled');
    }
  }

  #judge(instance: Instance): Fitness {
    const member = this.#members.get(instance);
    if (member === undefined) return 'closed';
    const now = this.#clock.now();
    const fitness = this.#fitnessOf(member, now);
    if (fitness === 'usable' && member.fitness !== 'usable') {
      instance.forget(); // otherwise its old latency would keep it from being tried again
      instance.restart(now);
    }
    member.fitness = fitness;
    return fitness;
  }

  #fitnessOf(member: Member, now: number): Fitness {
    if (member.draining) return 'closed';
    const { retryAfter } = member.breaker;
    if (retryAfter > 0) {
      this.#nextChange = Math.min(this.#nextChange, now + retryAfter);
      return 'closed';
    }
    const until = this.outliers.ejectedUntil(member.instance);
    if (until > now) {
      this.#nextChange = Math.min(this.#nextChange, until);
      return 'suspect';
    }
    return isIll(member.health) ? 'suspect' : 'usable';
  }

  breakerChanged(instance: Instance, state: CircuitState): void {
    const member = this.#members.get(instance);
    if (member === undefined) return;
    if (state === 'open') this.#changed(member, 'circuit-open');
    else if (state === 'closed') this.#changed(member, 'up');
    else this.#refresh();
  }

  #changed(member: Member, state: TargetState): void {
    this.#refresh();
    this.#parts.onChange(member, state);
  }

  #refresh(): void {
    this.#nextChange = Infinity;
    this.balancer.refresh();
  }

  #forget(instance: Instance): void {
    const member = this.#members.get(instance);
    if (member === undefined) return;
    this.#members.delete(instance);
    member.stall.close();
    this.outliers.remove(instance);
    this.#changed(member, 'removed');
  }
}

/** The first check of a new instance decides whether it receives requests: unknown means not ready. */
function isIll(health: InstanceStatus | undefined): boolean {
  return health === 'unhealthy' || health === 'unknown';
}

/** The name of the instance in the monitor. */
export function monitoredId({ host, port }: Target): string {
  return addressOf(host, port);
}
