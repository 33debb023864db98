/** Checks the instances of services from outside and reports which of them may receive traffic. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import { checkOptions, checkValue, clock, func, number, oneOf, string } from '../shared/options.js';
import { DEFAULTS, SETTINGS_CHECKS, combine, idOf, isUp } from './health-monitor-settings.js';
import type {
  CheckSettings,
  HealthMonitorOptions,
  HealthMonitorStats,
  InstanceChange,
  RegisterOptions,
  ServiceHealth,
} from './health-monitor-types.js';
import { checkHttp, type CheckOutcome } from './http-check.js';
import {
  InstanceWatch,
  type CheckRecord,
  type CheckTarget,
  type HealthStatus,
  type InstanceHealth,
  type WatchSettings,
} from './instance-watch.js';

type HealthListener = [status: HealthStatus, previous: HealthStatus, health: ServiceHealth];

interface Service {
  readonly watches: Map<string, InstanceWatch>;
  checks: readonly CheckRecord[];
  /** The status last reported to the listeners. */
  status: HealthStatus;
}

const KEPT_CHECKS = 20;

/**
 * Checks every registered instance repeatedly: the first time at once, then at jittered intervals, with one check per
 * instance at a time. A router needs only `getHealth(name).instances` and `onInstanceChange`.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { HealthMonitor } from '@tooloo/resilience';
 *
 * const monitor = new HealthMonitor({ checkInterval: 5000 });
 * monitor.registerService('billing', 3002);
 * monitor.onHealthChange('billing', (status, previous) => console.log(`${previous} → ${status}`));
 */
export class HealthMonitor {
  readonly #settings: Required<CheckSettings>;
  readonly #clock: Clock;
  readonly #check: (target: CheckTarget, signal: AbortSignal) => Promise<CheckOutcome>;
  readonly #random: () => number;
  readonly #services = new Map<string, Service>();
  readonly #healthListeners = new Map<string, Listeners<HealthListener>>();
  readonly #instanceListeners = new Listeners<[InstanceChange]>('HealthMonitor.onInstanceChange');
  #checks = 0;
  #failures = 0;
  #isDestroyed = false;

  constructor(options?: HealthMonitorOptions) {
    const checked = checkOptions('HealthMonitor', options, { ...SETTINGS_CHECKS, check: func, random: func, clock });
    const { check, random, clock: time, ...settings } = checked;
    this.#settings = { ...DEFAULTS, ...settings };
    this.#check = check ?? ((target, signal) => checkHttp(target.url, signal));
    this.#random = random ?? Math.random;
    this.#clock = time ?? monotonicClock;
  }

  /**
   * Watches another instance of a service. Registered again, it takes the new settings and keeps its status.
   *
   * @param options `checkInterval` in milliseconds, or an object with the host and other settings
   * @throws TypeError or RangeError for a wrong name, port or option
   */
  registerService(name: string, port: number, options?: number | RegisterOptions): InstanceHealth {
    const who = `HealthMonitor.registerService`;
    checkValue(`${who}: name`, name, string);
    checkValue(`${who}: port`, port, number({ min: 1, max: 65_535, integer: true }));
    const given = typeof options === 'number' ? { checkInterval: options } : options;
    const checked = checkOptions<RegisterOptions>(who, given, {
      ...SETTINGS_CHECKS,
      host: string,
      protocol: oneOf('http', 'https'),
    });
    const { host = '127.0.0.1', protocol = 'http', path, ...settings } = { ...this.#settings, ...checked };
    const id = idOf(host, port);
    const target = { service: name, id, host, port, url: `${protocol}://${id}${path}` };
    return this.#watch(target, settings).health;
  }

  /**
   * Stops checking instances of a service: those on this port, on every host or on one, or all. Returns whether there
   * were any.
   */
  unregisterService(name: string, port?: number, host?: string): boolean {
    const service = this.#services.get(name);
    if (service === undefined) return false;
    let found = false;
    for (const [id, watch] of service.watches) {
      if (port !== undefined && watch.target.port !== port) continue;
      if (host !== undefined && watch.target.host !== host) continue;
      watch.stop();
      service.watches.delete(id);
      found = true;
    }
    this.#announce(name, service);
    if (service.watches.size === 0) this.#services.delete(name);
    return found;
  }

  /** The health of a service. A service that is not registered is unknown, without instances. */
  getHealth(name: string): ServiceHealth {
    const service = this.#services.get(name);
    const instances = service === undefined ? [] : [...service.watches.values()].map((watch) => watch.health);
    const status = combine(instances.map((instance) => instance.status));
    return { service: name, status, checks: service?.checks ?? [], instances };
  }

  /** `getHealth` of every service, by name. */
  getAllHealth(): Record<string, ServiceHealth> {
    return Object.fromEntries([...this.#services.keys()].map((name) => [name, this.getHealth(name)]));
  }

  /** Whether an instance takes traffic. Unknown is no. */
  isReadyForTraffic(name: string): boolean {
    return isUp(this.getHealth(name).status);
  }

  /** Checks every instance of a service now, out of turn, and settles with what was found. */
  async checkNow(name: string): Promise<ServiceHealth> {
    const watches = [...(this.#services.get(name)?.watches.values() ?? [])];
    await Promise.all(watches.map((watch) => watch.checkNow()));
    return this.getHealth(name);
  }

  /** Calls back when the status of a service changes. Returns what ends the subscription. */
  onHealthChange(
    name: string,
    callback: (status: HealthStatus, previous: HealthStatus, health: ServiceHealth) => unknown,
  ): () => void {
    const listeners = this.#healthListeners.get(name) ?? new Listeners('HealthMonitor.onHealthChange');
    this.#healthListeners.set(name, listeners);
    const remove = listeners.add(callback);
    return () => {
      remove();
      if (listeners.size === 0 && this.#healthListeners.get(name) === listeners) this.#healthListeners.delete(name);
    };
  }

  /** Calls back when the status of any instance of any service changes. Returns what ends the subscription. */
  onInstanceChange(callback: (change: InstanceChange) => unknown): () => void {
    return this.#instanceListeners.add(callback);
  }

  getStats(): HealthMonitorStats {
    const instances = [...this.#services.values()].flatMap((service) => [...service.watches.values()]);
    const having = (status: HealthStatus): number => instances.filter((watch) => watch.status === status).length;
    return {
      services: this.#services.size,
      instances: instances.length,
      healthy: having('healthy'),
      degraded: having('degraded'),
      unhealthy: having('unhealthy'),
      unknown: having('unknown'),
      checks: this.#checks,
      failures: this.#failures,
    };
  }

  /** Ends every check and subscription. Idempotent; what is registered afterwards is never checked. */
  destroy(): void {
    this.#isDestroyed = true;
    for (const service of this.#services.values()) for (const watch of service.watches.values()) watch.stop();
    this.#services.clear();
    this.#healthListeners.clear();
    this.#instanceListeners.clear();
  }

  close(): void {
    this.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  #watch(target: CheckTarget, settings: WatchSettings): InstanceWatch {
    const service: Service = this.#services.get(target.service) ?? {
      watches: new Map(),
      checks: [],
      status: 'unknown',
    };
    const previous = service.watches.get(target.id);
    previous?.stop();
    const dependencies = {
      check: this.#check,
      clock: this.#clock,
      random: this.#random,
      onCheck: (_watch: InstanceWatch, record: CheckRecord) => this.#count(service, record),
      onChange: (watch: InstanceWatch, status: HealthStatus) => this.#changed(service, watch, status),
    };
    const watch = new InstanceWatch(target, settings, dependencies, previous);
    if (this.#isDestroyed) return watch;
    service.watches.set(target.id, watch);
    this.#services.set(target.service, service);
    void watch.checkNow();
    return watch;
  }

  #count(service: Service, record: CheckRecord): void {
    this.#checks++;
    if (!record.ok) this.#failures++;
    service.checks = [...service.checks, record].slice(-KEPT_CHECKS);
  }

  #changed(service: Service, { target, status }: InstanceWatch, previous: HealthStatus): void {
    const { service: name, id, host, port } = target;
    this.#instanceListeners.emit({ service: name, id, host, port, status, previous });
    this.#announce(name, service);
  }

  #announce(name: string, service: Service): void {
    const health = this.getHealth(name);
    const previous = service.status;
    if (health.status === previous) return;
    service.status = health.status;
    this.#healthListeners.get(name)?.emit(health.status, previous, health);
  }
}
