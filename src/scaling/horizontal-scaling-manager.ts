/** Runs the requested number of instances of each service, and records what it did. */
import { ResilienceError } from '../shared/errors.js';
import { Listeners } from '../shared/listeners.js';
import { checkValue, count as countCheck, number, string } from '../shared/options.js';
import type { FoundInstance } from './driver.js';
import type { InstanceDetails, InstanceGroup } from './instance-group.js';
import { ManagedService, type CommandOptions, type ScalingOutcome } from './managed-service.js';
import {
  resolveManagerOptions,
  resolveService,
  type HorizontalScalingManagerOptions,
  type ManagerSettings,
  type ServiceOptions,
  type ServicePlan,
} from './manager-options.js';
import { ReplicaGroup } from './replica-group.js';
import type { HistoryQuery, ScalingRecord } from './scaling-history.js';
import type { ProcessUsage } from './process-usage.js';
import { StallWatch, type Signs } from './stall-watch.js';
import { SupervisedGroup } from './supervised-group.js';
import { Traffic } from './traffic.js';

const WHO = 'HorizontalScalingManager';
const PORT = { ...number({ min: 1, max: 65_535, integer: true }), expected: 'a port from 1 to 65535' };
const PORT_OR_ANY = { ...number({ min: 0, max: 65_535, integer: true }), expected: 'a port from 0 to 65535' };

/**
 * Starts and stops instances of services through a driver. The commands on one service run one after the other. An
 * instance that ends by itself is restarted, with increasing delays and a limited number of times. There are never
 * fewer than `min` instances left, and never more than `max` started.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { HorizontalScalingManager } from '@tooloo/resilience';
 *
 * const manager = new HorizontalScalingManager({ router, services: { billing: { min: 2, max: 8 } } });
 * await manager.startService('billing');
 * await manager.scaleUp('billing', 1);
 * await manager.shutdown();
 */
export class HorizontalScalingManager {
  readonly #settings: ManagerSettings;
  readonly #services = new Map<string, ManagedService>();
  readonly #changes = new Listeners<[]>(`${WHO}.onChange`);
  readonly #traffic: Traffic;
  readonly #stalls: StallWatch;
  readonly #stopMonitoring: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options?: HorizontalScalingManagerOptions) {
    this.#settings = resolveManagerOptions(WHO, options);
    const { driver, services, monitor, replaceUnhealthy } = this.#settings;
    // Instances that share a port cannot be distinguished from outside, neither by a router nor by a monitor.
    const apart = !('sharesPort' in driver && driver.sharesPort);
    this.#traffic = new Traffic({ ...this.#settings, ...(!apart && { router: undefined, monitor: undefined }) });
    for (const [name, service] of Object.entries(services)) this.registerService(name, service);
    this.#stalls = new StallWatch({
      ...this.#settings,
      window: this.#settings.stallWindow,
      signsOf: (id) => this.#signsOf(id),
      onStalled: (id) => this.#replace(id),
    });
    if (replaceUnhealthy)
      this.#stopMonitoring = monitor?.onInstanceChange(({ service, port, status }) => {
        const one = this.getInstanceDetails(service).find((known) => known.port === port && known.state === 'ready');
        if (one === undefined) return;
        if (status === 'unhealthy') this.#stalls.begin(one.id);
        else this.#stalls.end(one.id);
      });
  }

  /** The names of the services. */
  get services(): string[] {
    return [...this.#services.keys()];
  }

  /**
   * Registers a service, or sets its new bounds. Starts nothing.
   *
   * @throws TypeError or RangeError for an invalid option
   */
  registerService(service: string, options?: ServiceOptions): void {
    checkValue(`${WHO}.registerService: service`, service, string);
    const plan = resolveService(`${WHO}: service '${service}'`, options);
    const known = this.#services.get(service);
    if (known !== undefined) known.plan = plan;
    else
      this.#services.set(
        service,
        new ManagedService(service, plan, this.#group(service, plan), this.#settings.history),
      );
  }

  /** The bounds of a service. */
  getBounds(service: string): { readonly min: number; readonly max: number } {
    const { min, max } = this.#service(service).plan;
    return { min, max };
  }

  /**
   * Starts `count` more instances. Settles when they are ready.
   *
   * @returns the number of instances now. It is lower than requested if `max` limits it or some instances did not
   *   start.
   * @throws ResilienceError CONFLICT at `max`, or if a stop was requested meanwhile; START_FAILED if no instance
   *   started; NOT_FOUND for a service that is not registered
   */
  async scaleUp(service: string, count = 1, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.scaleUp: count`, count, countCheck());
    return this.#open(service).scaleUp(count, options);
  }

  /**
   * Stops `count` instances, the newest first, after they have finished their work. Settles when they have ended.
   *
   * @throws ResilienceError CONFLICT at `min`; NOT_FOUND for a service that is not registered
   */
  async scaleDown(service: string, count = 1, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.scaleDown: count`, count, countCheck());
    return this.#open(service).scaleDown(count, options);
  }

  /**
   * Replaces the instance on one port by a new one on another port (0: any free port). The new one is ready before the
   * old one is drained, so that no request fails. Meanwhile there may be one instance more than `max`.
   *
   * @throws ResilienceError NOT_FOUND if no instance is ready on `fromPort`; CONFLICT if `toPort` belongs to an
   * instance, or a scheduler places the instances; START_FAILED if the new one does not start (the old one stays)
   */
  async migrateInstance(fromPort: number, toPort = 0, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.migrateInstance: fromPort`, fromPort, PORT);
    checkValue(`${WHO}.migrateInstance: toPort`, toPort, PORT_OR_ANY);
    const from = this.getInstanceDetails().find(({ port, state }) => port === fromPort && state === 'ready');
    if (from === undefined) throw new ResilienceError('NOT_FOUND', `no instance is ready on port ${fromPort}`);
    return this.#open(from.service).migrate(from, toPort, options);
  }

  /**
   * Starts a service: `min` instances, at least one, or as many as it had when it was stopped. Retries failed starts.
   */
  async startService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).start(options);
  }

  /** Stops all instances of a service at once and cancels its other commands. The instances remain in the records. */
  async stopService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).stop(options);
  }

  /**
   * Restarts the instances of a service one after the other, each on its port. A single instance gets a substitute on
   * another port meanwhile, so that no request waits. Then there is one instance more than `max`.
   */
  async restartService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).restart(options);
  }

  /**
   * Adopts a running instance that a predecessor left. The caller has verified its identity.
   *
   * @returns false if it has ended, its name is taken, or the driver does not support it
   * @throws ResilienceError NOT_FOUND for a service that is not registered
   */
  async adopt(found: FoundInstance): Promise<boolean> {
    return this.#open(found.service).adopt(found);
  }

  /** Number of instances of a service that run or start; 0 for an unknown service. */
  getInstanceCount(service: string): number {
    return this.#services.get(service)?.group.count ?? 0;
  }

  /** The instances of one service, or of all services. */
  getInstanceDetails(service?: string): readonly InstanceDetails[] {
    if (service !== undefined) return this.#services.get(service)?.group.details ?? [];
    return [...this.#services.values()].flatMap(({ group }) => group.details);
  }

  /** Resource use of an instance's process, as reported by the system; undefined if unknown. */
  usageOf(id: string): ProcessUsage | undefined {
    for (const { supervised } of this.#services.values()) {
      const usage = supervised?.usageOf(id);
      if (usage !== undefined) return usage;
    }
    return undefined;
  }

  /** The history, newest first. */
  getScalingHistory(query?: HistoryQuery): readonly ScalingRecord[] {
    return this.#settings.history.list(query);
  }

  /** Whether a command on the service runs or waits. */
  isBusy(service: string): boolean {
    return this.#services.get(service)?.isBusy ?? false;
  }

  /**
   * Updates the state of instances that a scheduler runs. The state of this process's own instances is always current.
   */
  async refresh(): Promise<void> {
    await Promise.all([...this.#services.values()].map(({ group }) => group.refresh()));
  }

  /** Calls the callback after each change of an instance. Returns a function that ends this. */
  onChange(callback: () => unknown): () => void {
    return this.#changes.add(callback);
  }

  /** Stops the instances that this process runs. Instances of a scheduler continue to run. Idempotent. */
  shutdown(): Promise<void> {
    this.#closing ??= this.#shutdown();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  async #shutdown(): Promise<void> {
    const { driver, history } = this.#settings;
    this.#stopMonitoring?.();
    this.#stalls.close();
    const services = [...this.#services.values()];
    await Promise.all(services.map((service) => service.giveUp()));
    await Promise.all(services.flatMap(({ supervised }) => supervised?.stop() ?? []));
    await driver.close();
    history.close();
  }

  #group(service: string, { port, portStep, fixedPort }: ServicePlan): InstanceGroup {
    const { driver, restart, clock, settleTime } = this.#settings;
    if ('scaleTo' in driver) return new ReplicaGroup(service, driver, () => this.#changes.emit());
    return new SupervisedGroup({
      service,
      driver,
      port,
      portStep,
      restart,
      clock,
      settleTime,
      // Without a router or a settle time, no caller would learn of a successor.
      canMove: !fixedPort && (settleTime > 0 || this.#settings.router !== undefined),
      isTaken: (asked) => this.#isTaken(asked),
      drain: (instance, signal) => this.#traffic.drain(instance, signal),
      onState: (details) => this.#onState(details),
    });
  }

  #signsOf(id: string): Signs {
    const one = this.getInstanceDetails().find((known) => known.id === id);
    const demand = one && this.#settings.demandOf(one.service, id);
    const answered = demand !== undefined && demand.inFlight > 0 ? demand.answered : undefined;
    return { answered, writes: this.usageOf(id)?.writes };
  }

  #replace(id: string): void {
    const service = [...this.#services.values()].find(({ supervised }) => supervised?.isReady(id));
    // The history contains the failure. The watch continues and tries again.
    service?.replace(id, 'no longer responded').catch(() => {});
  }

  #onState(details: InstanceDetails): void {
    if (details.state !== 'ready') this.#stalls.end(details.id);
    this.#traffic.update(details);
    this.#services.get(details.service)?.noteIncident(details);
    this.#changes.emit();
  }

  #isTaken(port: number): boolean {
    return [...this.#services.values()].some(({ supervised }) => supervised?.has(port));
  }

  #service(name: string): ManagedService {
    const service = this.#services.get(name);
    if (service === undefined) throw new ResilienceError('NOT_FOUND', `there is no service '${name}'`);
    return service;
  }

  /** Returns the service for a command. */
  #open(name: string): ManagedService {
    if (this.#closing !== undefined) throw new ResilienceError('SHUTTING_DOWN', `${WHO} is shut down`);
    return this.#service(name);
  }
}
