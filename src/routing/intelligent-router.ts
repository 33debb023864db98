/**
 * Which instance of which service gets a request: joins what is known of each (active checks, its answers, its breaker,
 * whether it drains) with a balancing algorithm, and keeps the accounts.
 */
import type { CircuitState } from '../shared/circuit-breaker.js';
import { monotonicClock, startInterval, type Clock, type Timer } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { checkValue, count, string } from '../shared/options.js';
import type { Instance, InstanceStats } from './instance.js';
import type { InstanceStatus } from './monitor.js';
import type { Route } from './route.js';
import { checkRouterOptions, RouterParts, type IntelligentRouterOptions } from './router-parts.js';
import { monitoredId, ServiceGroup, type Member, type TargetState } from './service-group.js';
import type { TargetSource } from './sources/target-source.js';
import { parseTarget, type Target, type TargetSpec, type TargetUrl } from './target.js';

/** An instance as callers name it: a target, its id, or its port. */
export type TargetRef = string | number | { readonly id: string };

/** An instance as the router sees it. */
export interface TargetStats extends InstanceStats {
  readonly state: 'usable' | Exclude<TargetState, 'up' | 'removed'> | 'probing';
  readonly health: InstanceStatus | undefined;
  readonly circuit: CircuitState;
  /** Ejections that still count against it. */
  readonly ejections: number;
}

/** A service as the router sees it. */
export interface ServiceStats {
  readonly service: string;
  readonly algorithm: string;
  readonly panic: boolean;
  readonly requests: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly instances: readonly TargetStats[];
}

/** A service's target and what became of it. */
export interface TargetChange {
  readonly service: string;
  readonly target: Target;
  readonly instance: Instance;
  readonly state: TargetState;
}

const WHO = 'IntelligentRouter';
/** Milliseconds between looks for frozen instances. */
const STALL_CHECK = 250;

/**
 * Routes requests of any number of services to their instances.
 *
 * @throws TypeError or RangeError for a wrong option
 */
export class IntelligentRouter {
  readonly #options: IntelligentRouterOptions;
  readonly #clock: Clock;
  readonly #parts: RouterParts;
  readonly #groups = new Map<string, ServiceGroup>();
  readonly #changes = new Listeners<[change: TargetChange]>(`${WHO}.onTargetChange`);
  readonly #subscriptions = new Set<() => void>();
  readonly #stopMonitoring: (() => void) | undefined;
  #stallTimer: Timer | undefined;
  #isClosed = false;

  constructor(options?: IntelligentRouterOptions) {
    this.#options = checkRouterOptions(options);
    this.#clock = this.#options.clock ?? monotonicClock;
    this.#parts = new RouterParts(this.#options, this.#clock);
    this.#stopMonitoring = this.#options.monitor?.onInstanceChange(({ service }) => this.#readHealth(service));
  }

  /** The services that have, or had, instances. */
  get services(): string[] {
    return [...this.#groups.keys()];
  }

  /**
   * Adds an instance of a service, or takes over its new weight. One that was draining is back.
   *
   * @param target a port on this machine, or a whole target
   * @throws TypeError or RangeError for a wrong target
   */
  addTarget(service: string, target: number | string | TargetUrl | TargetSpec, weight?: number): Target {
    checkValue(`${WHO}.addTarget: service`, service, string);
    const spec = typeof target === 'number' ? { port: target } : typeof target === 'string' ? { url: target } : target;
    const parsed = parseTarget(`${WHO}.addTarget`, weight === undefined ? spec : { ...spec, weight });
    const member = this.#group(service).add(parsed);
    member.health = this.#healthOf(service).get(monitoredId(parsed));
    return parsed;
  }

  /** Removes an instance; what is in flight to it may end. False when there is none such. */
  removeTarget(service: string, target: TargetRef): boolean {
    const member = this.#find(target, service);
    return member !== undefined && this.#group(service).remove(member.instance.id);
  }

  /**
   * Takes the instances of a service from a source, now and whenever it tells of others. The source's owner closes it.
   *
   * @returns what ends it; the instances stay
   */
  follow(service: string, source: TargetSource): () => void {
    let followed = new Set<string>();
    const unsubscribe = source.subscribe(service, (targets) => {
      const told = new Set<string>();
      for (const { draining = false, ...spec } of targets) {
        const { id } = this.#follow(service, spec, draining);
        told.add(id);
      }
      for (const id of followed) if (!told.has(id)) this.#group(service).remove(id);
      followed = told;
    });
    const stop = (): void => {
      if (this.#subscriptions.delete(stop)) unsubscribe();
    };
    this.#subscriptions.add(stop);
    return stop;
  }

  /** The instances that are well: not unhealthy, ejected, unreachable or draining. */
  getHealthyTargets(service: string): Target[] {
    const group = this.#groups.get(service);
    if (group === undefined) return [];
    return [...group.members()].filter((member) => group.isUsable(member)).map(({ instance }) => instance.target);
  }

  /** How many instances a service has, well or not. */
  size(service: string): number {
    return this.#groups.get(service)?.balancer.size ?? 0;
  }

  /** The target for the next request; null when there is none. Tell `recordLatency` what came of it. */
  routeRequest(service: string, requestKey?: string): Target | null {
    return this.#groups.get(service)?.choose(requestKey)?.target ?? null;
  }

  /**
   * A route for one attempt: who gets it, and where to tell what came of it. `end()` it always.
   *
   * @param excluded instances not wanted, because they were tried
   * @returns undefined when there is none left
   */
  acquire(service: string, requestKey?: string, excluded?: ReadonlySet<Instance>): Route | undefined {
    this.#watchForStalls();
    return this.#groups.get(service)?.acquire(requestKey, excluded);
  }

  /** A route to this very instance, where it is well: what a sticky session asks for. */
  acquireTarget(service: string, id: string): Route | undefined {
    const group = this.#groups.get(service);
    const member = group?.find(id);
    if (group === undefined || member === undefined || !group.isUsable(member)) return undefined;
    this.#watchForStalls();
    return group.open(member);
  }

  /** Reports what came of `routeRequest`: the latency in milliseconds, and whether it succeeded. */
  recordLatency(target: TargetRef, latency: number, ok = true): void {
    for (const member of this.#matching(target)) {
      member.breaker.tryAcquire()?.end(ok ? 'success' : 'failure');
      this.#group(member.service).balancer.recordRequest(member.instance.id, latency, ok);
      if (ok) this.#group(member.service).succeeded(member);
      else this.#group(member.service).failed(member);
    }
  }

  /** Nobody listens at this address: the breaker of whoever should be there opens now, whatever its threshold. */
  reportRefused({ origin }: Pick<Target, 'origin'>): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members()) if (member.instance.target.origin === origin) group.refused(member);
    }
  }

  /** From now on this many failures in a row open the instance's breaker. */
  setCircuitBreaker(target: TargetRef, threshold: number): void {
    checkValue(`${WHO}.setCircuitBreaker: threshold`, threshold, count());
    for (const member of this.#matching(target)) {
      const group = this.#group(member.service);
      const { instance } = member;
      member.breaker = this.#parts.breaker((state) => group.breakerChanged(instance, state), threshold);
    }
  }

  /** Sends an instance nothing new. Settles when nothing is in flight to it any more. */
  async drain(target: TargetRef): Promise<void> {
    await Promise.all([...this.#matching(target)].map((member) => this.#group(member.service).drain(member)));
  }

  /** What each service and each of its instances got, and how they are. */
  getRoutingStats(): Readonly<Record<string, ServiceStats>> {
    return Object.fromEntries([...this.#groups].map(([name, group]) => [name, this.#serviceStats(group)]));
  }

  /** Calls back whenever an instance appears, stops getting traffic, gets it again or is gone. */
  onTargetChange(callback: (change: TargetChange) => unknown): () => void {
    return this.#changes.add(callback);
  }

  /** Stops following sources and the monitor. Routing goes on with what is known. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stallTimer?.cancel();
    this.#stopMonitoring?.();
    for (const stop of [...this.#subscriptions]) stop();
    this.#changes.clear();
  }

  /** The same as `close`. */
  destroy(): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #follow(service: string, spec: TargetUrl | TargetSpec, draining: boolean): Target {
    const target = parseTarget(`${WHO}.follow`, spec);
    const group = this.#group(service);
    const known = group.find(target.id);
    if (draining && known?.draining) return target;
    this.addTarget(service, spec);
    if (draining) void group.drain(group.find(target.id)!);
    return target;
  }

  #group(service: string): ServiceGroup {
    let group = this.#groups.get(service);
    if (group === undefined) {
      group = new ServiceGroup({
        service,
        clock: this.#clock,
        outliers: this.#parts.outliers(),
        createBalancer: (fitness) => this.#parts.balancer(service, fitness),
        createBreaker: (onChange) => this.#parts.breaker(onChange),
        tripsOnRefusal: this.#parts.tripsOnRefusal,
        onChange: ({ instance }, state) => this.#changes.emit({ service, target: instance.target, instance, state }),
      });
      this.#groups.set(service, group);
    }
    return group;
  }

  #healthOf(service: string): Map<string, InstanceStatus> {
    const instances = this.#options.monitor?.getHealth(service)?.instances ?? [];
    return new Map(instances.map(({ id, status }) => [id, status]));
  }

  #readHealth(service: string): void {
    const health = this.#healthOf(service);
    for (const member of this.#groups.get(service)?.members() ?? []) {
      this.#group(service).setHealth(member, health.get(monitoredId(member.instance.target)));
    }
  }

  #watchForStalls(): void {
    if (this.#stallTimer !== undefined || this.#isClosed || this.#options.outlier === false) return;
    this.#stallTimer = startInterval(
      this.#clock,
      () => {
        for (const group of this.#groups.values()) group.checkStalls();
      },
      STALL_CHECK,
    );
  }

  /** Every instance a caller may mean; a port may belong to several services. */
  *#matching(ref: TargetRef): Iterable<Member> {
    for (const service of this.#groups.keys()) {
      const member = this.#find(ref, service);
      if (member !== undefined) yield member;
    }
  }

  #find(ref: TargetRef, service: string): Member | undefined {
    const group = this.#groups.get(service);
    if (group === undefined) return undefined;
    if (typeof ref === 'object') return group.find(ref.id);
    const byId = group.find(String(ref));
    if (byId !== undefined || !/^\d+$/.test(String(ref))) return byId;
    for (const member of group.members()) if (member.instance.target.port === Number(ref)) return member;
    return undefined;
  }

  #serviceStats(group: ServiceGroup): ServiceStats {
    const { algorithm, panic, requests, failures, inFlight } = group.balancer.getStats();
    const now = this.#clock.now();
    const instances = [...group.members()].map((member) => ({
      ...member.instance.stats(now),
      state: group.stateOf(member),
      health: member.health,
      circuit: member.breaker.state,
      ejections: group.outliers.ejections(member.instance),
    }));
    return { service: group.service, algorithm, panic, requests, failures, inFlight, instances };
  }
}
