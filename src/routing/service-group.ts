/** The instances of one service with all that is known of each: load, health, ejection, breaker, drain. */
import type { CircuitBreaker, CircuitState } from '../shared/circuit-breaker.js';
import type { Clock } from '../shared/clock.js';
import type { Instance } from './instance.js';
import type { Fitness, LoadBalancer } from './load-balancer.js';
import type { InstanceStatus } from './monitor.js';
import type { OutlierDetector } from './outlier-detector.js';
import { Route } from './route.js';
import { addressOf, type Target } from './target.js';

/** Why an instance gets no more traffic, or 'up' when it does again. */
export type TargetState = 'up' | 'unhealthy' | 'ejected' | 'stalled' | 'circuit-open' | 'draining' | 'removed';

/** An instance and what routing knows of it. */
export interface Member {
  readonly service: string;
  readonly instance: Instance;
  breaker: CircuitBreaker;
  draining: boolean;
  /** Ejected because nothing came from it, not because of what came. */
  stalled: boolean;
  /** As the monitor says; undefined when it does not know the instance. */
  health: InstanceStatus | undefined;
  /** The last judgement, to notice when it returns. */
  fitness: Fitness;
  /** Called when nothing is in flight any more. */
  onIdle: Array<() => void>;
}

export interface ServiceGroupParts {
  readonly service: string;
  readonly clock: Clock;
  readonly outliers: OutlierDetector<Instance>;
  readonly createBalancer: (fitness: (instance: Instance) => Fitness) => LoadBalancer;
  readonly createBreaker: (onChange: (state: CircuitState) => void) => CircuitBreaker;
  /** Whether an instance where nobody listens is left alone at once, as a breaker would after several failures. */
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
  /** When time alone may change who can be picked: the end of an ejection, a breaker that may be probed. */
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

  /** Adds a target, or takes over its new weight. A target that was draining and is added again is back. */
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

  /** Sends it nothing new. Settles when nothing is in flight to it any more. */
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
    if (!isIll(health)) this.outliers.release(member.instance, this.#clock.now()); // it was asked and answers again
    this.#changed(member, isIll(health) ? 'unhealthy' : 'up');
  }

  /** A route to the instance the next request goes to; undefined when there is none besides those excluded. */
  acquire(key?: string, excluded?: ReadonlySet<Instance>): Route | undefined {
    let refused = excluded;
    for (;;) {
      const instance = this.choose(key, refused);
      if (instance === undefined) return undefined;
      const route = this.open(this.#members.get(instance)!);
      if (route !== undefined) return route;
      refused = new Set(refused).add(instance); // half open, and its probes are all in flight
    }
  }

  /** The instance the next request goes to, without opening a route. */
  choose(key?: string, excluded?: ReadonlySet<Instance>): Instance | undefined {
    if (this.#clock.now() >= this.#nextChange) this.#refresh();
    return this.balancer.pick(key, excluded);
  }

  /** A route to this very instance, unless its breaker refuses. */
  open(member: Member): Route | undefined {
    const permit = member.breaker.tryAcquire();
    return permit && new Route(this, member, permit, this.#clock);
  }

  /** Whether the instance may be picked now; a sticky session asks. */
  isUsable(member: Member): boolean {
    return this.#judge(member.instance) === 'usable';
  }

  succeeded(member: Member): void {
    this.outliers.succeeded(member.instance, this.#clock.now());
  }

  /** It answered badly, or not. While its breaker is not closed that is the breaker's affair, which looks again sooner. */
  failed(member: Member): void {
    if (member.breaker.state !== 'closed') return;
    if (this.outliers.failed(member.instance, this.#clock.now())) this.#changed(member, 'ejected');
  }

  /** Nobody listens there any more. */
  refused(member: Member): void {
    if (this.#parts.tripsOnRefusal && member.breaker.state !== 'open') member.breaker.trip();
  }

  /** It answered one of those that waited: whatever else it is, it is not frozen. */
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

  /** Ejects instances from which nothing comes although requests wait, longer than their slowest answers explain. */
  checkStalls(): void {
    const now = this.#clock.now();
    for (const member of this.#members.values()) {
      const { instance } = member;
      const patience = Math.max(this.outliers.stallTimeout, 1.5 * instance.slowestAnswer(now));
      if (instance.silence(now) < patience) continue;
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
      instance.forget(); // what made it unfit would keep it from ever being tried
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
    this.outliers.remove(instance);
    this.#changed(member, 'removed');
  }
}

/** The first check of a new instance decides whether it gets traffic: unknown is not ready. */
function isIll(health: InstanceStatus | undefined): boolean {
  return health === 'unhealthy' || health === 'unknown';
}

/** The monitor's name of an instance. */
export function monitoredId({ host, port }: Target): string {
  return addressOf(host, port);
}
