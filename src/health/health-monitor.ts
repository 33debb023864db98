/** Watches the instances of services from outside and tells which may be sent traffic. */
import { monotonicClock, type Clock } from '../shared/clock.js';
import { Listeners } from '../shared/listeners.js';
import {
  checkOptions,
  checkValue,
  clock,
  count,
  func,
  number,
  oneOf,
  positive,
  string,
  type Check,
} from '../shared/options.js';
import { checkHttp, type CheckOutcome } from './http-check.js';
import {
  InstanceWatch,
  type CheckRecord,
  type CheckTarget,
  type HealthStatus,
  type InstanceHealth,
  type WatchSettings,
} from './instance-watch.js';

/** What every instance is checked with unless it was registered with its own. */
export interface CheckSettings {
  /** Milliseconds between checks, ± 10 %. Default 10 000. */
  readonly checkInterval?: number;
  /** Milliseconds between checks while the verdict is open: before the first and after a first deviation. Default 1000. */
  readonly fastInterval?: number;
  /** Milliseconds until an unfinished check has failed. Default 2000. */
  readonly timeout?: number;
  /** Passes in a row that make an unhealthy instance healthy; the very first pass suffices. Default 2. */
  readonly rise?: number;
  /** Failures in a row that make it unhealthy; an instance that answers that it is draining is so at once. Default 3. */
  readonly fall?: number;
  /** What is requested. Default '/health'. */
  readonly path?: string;
}

export interface HealthMonitorOptions extends CheckSettings {
  /** Replaces the HTTP check: asks one instance, heeding the signal. Rejecting is unhealthy. */
  readonly check?: (target: CheckTarget, signal: AbortSignal) => Promise<CheckOutcome>;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: () => number;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

export interface RegisterOptions extends CheckSettings {
  /** Default '127.0.0.1'. */
  readonly host?: string;
  /** Default 'http'. */
  readonly protocol?: 'http' | 'https';
}

/** A service by its instances. */
export interface ServiceHealth {
  readonly service: string;
  /** `healthy`: every instance known is. `degraded`: some are not, or warn. `unhealthy`: none takes traffic. */
  readonly status: HealthStatus;
  /** The latest checks, oldest first, 20 at most. */
  readonly checks: readonly CheckRecord[];
  readonly instances: readonly InstanceHealth[];
}

/** An instance whose status has changed. */
export interface InstanceChange {
  readonly service: string;
  /** 'host:port' */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly status: HealthStatus;
  readonly previous: HealthStatus;
}

/** Instances by their state, and the checks made. */
export interface HealthMonitorStats {
  readonly services: number;
  readonly instances: number;
  readonly healthy: number;
  readonly degraded: number;
  readonly unhealthy: number;
  readonly unknown: number;
  /** Checks made since the start, and how many failed. */
  readonly checks: number;
  readonly failures: number;
}

type HealthListener = [status: HealthStatus, previous: HealthStatus, health: ServiceHealth];

interface Service {
  readonly watches: Map<string, InstanceWatch>;
  checks: readonly CheckRecord[];
  /** As last told to the listeners. */
  status: HealthStatus;
}

const KEPT_CHECKS = 20;

const SETTINGS_CHECKS = {
  checkInterval: positive,
  fastInterval: positive,
  timeout: positive,
  rise: count(),
  fall: count(),
  path: string,
} satisfies Record<keyof CheckSettings, Check>;

const DEFAULTS = { checkInterval: 10_000, fastInterval: 1000, timeout: 2000, rise: 2, fall: 3, path: '/health' };

const isUp = (status: HealthStatus): boolean => status === 'healthy' || status === 'degraded';

/** The status of a service from its instances'. One that was never judged counts for nothing. */
function combine(statuses: readonly HealthStatus[]): HealthStatus {
  const known = statuses.filter((status) => status !== 'unknown');
  if (known.length === 0) return 'unknown';
  if (known.every((status) => status === 'healthy')) return 'healthy';
  return known.some(isUp) ? 'degraded' : 'unhealthy';
}

function idOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Checks every registered instance over and over: the first time at once, then at jittered intervals, one check an
 * instance at a time. `getHealth(name).instances` and `onInstanceChange` are what a router needs.
 *
 * ```ts
 * const monitor = new HealthMonitor({ checkInterval: 5000 });
 * monitor.registerService('reports', 3008);
 * monitor.registerService('reports', 3018);
 * monitor.isReadyForTraffic('reports');
 * ```
 *
 * @throws TypeError or RangeError for a wrong option
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

  /** Stops watching the instances of a service on this port, of every host or of one, or all. Tells whether there were any. */
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

  /** What is known of a service; of one that nobody registered: unknown, without instances. */
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
