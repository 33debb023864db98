/**
 * Decides which instance of which service receives a request. It combines the state of each instance (active checks,
 * responses, breaker, drain) with a balancing algorithm, and records the outcomes.
 */
import { monotonicClock, startInterval, type Clock, type Timer } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { checkValue, count, string } from '../shared/options.js';
import type { Instance } from './instance.js';
import type { InstanceStatus } from './monitor.js';
import type { Route } from './route.js';
import { FollowedSources } from './followed-sources.js';
import { checkRouterOptions, RouterParts, type IntelligentRouterOptions } from './router-parts.js';
import { serviceStats, type ServiceStats } from './router-stats.js';
import { monitoredId, ServiceGroup, type Member, type TargetState } from './service-group.js';
import type { LivenessProbe } from './stall-detector.js';
import type { TargetSource } from './sources/target-source.js';
import { parseTarget, type Target, type TargetSpec, type TargetUrl } from './target.js';

export type { ServiceStats, TargetStats } from './router-stats.js';

/** An instance as callers name it: a target, its id, or its port. */
export type TargetRef = string | number | { readonly id: string };

/** The target of a service and the outcome of the request. */
export interface TargetChange {
  readonly service: string;
  readonly target: Target;
  readonly instance: Instance;
  readonly state: TargetState;
}

const WHO = 'IntelligentRouter';
/** Milliseconds between checks for frozen instances. */
const STALL_CHECK = 250;

/**
 * Routes requests of any number of services to their instances.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { IntelligentRouter, proxyBalanced } from '@tooloo/resilience';
 *
 * const router = new IntelligentRouter({ balancer: 'least-connections' });
 * router.addTarget('billing', 'http://10.0.0.1:8080');
 * app.use('/billing', proxyBalanced({ router, service: 'billing' }));
 */
export class IntelligentRouter {
  readonly #options: IntelligentRouterOptions;
  readonly #clock: Clock;
  readonly #parts: RouterParts;
  readonly #groups = new Map<string, ServiceGroup>();
  readonly #changes = new Listeners<[change: TargetChange]>(`${WHO}.onTargetChange`);
  readonly #sources = new FollowedSources(`${WHO}.follow`);
  readonly #stopMonitoring: (() => void) | undefined;
  #stallTimer: Timer | undefined;
  #probe: LivenessProbe | undefined;
  #isClosed = false;

  constructor(options?: IntelligentRouterOptions) {
    this.#options = checkRouterOptions(options);
    this.#clock = this.#options.clock ?? monotonicClock;
    this.#parts = new RouterParts(this.#options, this.#clock);
    this.#stopMonitoring = this.#options.monitor?.onInstanceChange(({ service }) => this.#readHealth(service));
  }

  /** The services that have instances now, or had some before. */
  get services(): string[] {
    return [...this.#groups.keys()];
  }

  /**
   * Adds an instance of a service, or updates its weight. A draining instance receives requests again.
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

  /** Removes an instance. Requests in flight to it may finish. Returns false if the service has no such instance. */
  removeTarget(service: string, target: TargetRef): boolean {
    const member = this.#find(target, service);
    return member !== undefined && this.#group(service).remove(member.instance.id);
  }

  /** Removes an instance, and its service if it was the last one. */
  removeService(service: string, target: TargetRef): void {
    this.removeTarget(service, target);
    if (this.size(service) === 0) this.#groups.delete(service);
  }

  /**
   * Takes the instances of a service from a source, now and whenever it reports a change. The owner of the source
   * closes it.
   *
   * @returns a function that stops following; the instances stay
   */
  follow(service: string, source: TargetSource): () => void {
    return this.#sources.follow(service, source, {
      add: (spec) => this.addTarget(service, spec),
      find: (id) => this.#group(service).find(id),
      drain: (member) => this.#group(service).drain(member),
      remove: (id) => this.#group(service).remove(id),
    });
  }

  /** The available instances: not unhealthy, ejected, unreachable or draining. */
  getHealthyTargets(service: string): Target[] {
    const group = this.#groups.get(service);
    if (group === undefined) return [];
    return [...group.members()].filter((member) => group.isUsable(member)).map(({ instance }) => instance.target);
  }

  /** The number of instances of a service, available or not. */
  size(service: string): number {
    return this.#groups.get(service)?.balancer.size ?? 0;
  }

  /** @internal Whether something holds for every instance of a service, available or not. */
  isEvery(service: string, test: (target: Target) => boolean): boolean {
    for (const { instance } of this.#groups.get(service)?.members() ?? []) if (!test(instance.target)) return false;
    return true;
  }

  /** The target for the next request; null if no instance is left. Report the outcome with `recordLatency`. */
  routeRequest(service: string, requestKey?: string): Target | null {
    return this.#groups.get(service)?.choose(requestKey)?.target ?? null;
  }

  /**
   * A route for one attempt. It holds the instance and receives the outcome. Always call its `end()`.
   *
   * @param excluded instances to avoid, because they were tried
   * @returns undefined if no instance is left
   */
  acquire(service: string, requestKey?: string, excluded?: ReadonlySet<Instance>): Route | undefined {
    this.#watchForStalls();
    return this.#groups.get(service)?.acquire(requestKey, excluded);
  }

  /**
   * A route to a given instance for a sticky session, if that instance is healthy.
   *
   * @param anyway true to also get a route to an unhealthy instance, unless it drains
   */
  acquireTarget(service: string, id: string, anyway = false): Route | undefined {
    const group = this.#groups.get(service);
    const member = group?.find(id);
    if (group === undefined || member === undefined) return undefined;
    if (anyway) return group.openAnyway(member);
    if (!group.isUsable(member)) return undefined;
    this.#watchForStalls();
    return group.open(member);
  }

  /** The ids of the instances of a service. */
  targetIds(service: string): string[] {
    return [...(this.#groups.get(service)?.members() ?? [])].map(({ instance }) => instance.id);
  }

  /**
   * Sends probes to instances before they count as frozen. The most recent prober is used.
   *
   * @returns a function that ends it
   */
  probeWith(probe: LivenessProbe): () => void {
    this.#probe = probe;
    return () => {
      if (this.#probe === probe) this.#probe = undefined;
    };
  }

  /** Reports the outcome of `routeRequest`: the latency in milliseconds, and whether the request succeeded. */
  recordLatency(target: TargetRef, latency: number, ok = true): void {
    for (const member of this.#matching(target)) {
      member.breaker.tryAcquire()?.end(ok ? 'success' : 'failure');
      this.#group(member.service).balancer.recordRequest(member.instance.id, latency, ok);
      if (ok) this.#group(member.service).succeeded(member, this.#clock.now());
      else this.#group(member.service).failed(member);
    }
  }

  /**
   * No process listens at this address. The breaker of the instance there opens at once, regardless of its threshold.
   */
  reportRefused({ origin }: Pick<Target, 'origin'>): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members()) if (member.instance.target.origin === origin) group.refused(member);
    }
  }

  /** From now on this many consecutive failures open the breaker of the instance. */
  setCircuitBreaker(target: TargetRef, threshold: number): void {
    checkValue(`${WHO}.setCircuitBreaker: threshold`, threshold, count());
    for (const member of this.#matching(target)) {
      const group = this.#group(member.service);
      const { instance } = member;
      member.breaker = this.#parts.breaker((state) => group.breakerChanged(instance, state), threshold);
    }
  }

  /** Sends an instance no new requests. Settles when no request is in flight to it. */
  async drain(target: TargetRef): Promise<void> {
    await Promise.all([...this.#matching(target)].map((member) => this.#group(member.service).drain(member)));
  }

  /** The traffic and the state of each service and each of its instances. */
  getRoutingStats(): Readonly<Record<string, ServiceStats>> {
    const now = this.#clock.now();
    return Object.fromEntries([...this.#groups].map(([name, group]) => [name, serviceStats(group, now)]));
  }

  /** Calls back when an instance is added, stops receiving requests, receives them again or is removed. */
  onTargetChange(callback: (change: TargetChange) => unknown): () => void {
    return this.#changes.add(callback);
  }

  /** Stops following sources and the monitor. Routing continues with the known state. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stallTimer?.cancel();
    this.#stopMonitoring?.();
    this.#sources.close();
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
      () => this.#groups.forEach((group) => group.checkStalls(this.#probe)),
      STALL_CHECK,
    );
  }

  /** Every instance that a caller may mean, because a port may belong to several services. */
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
}
