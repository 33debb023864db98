/** Runs as many instances of each service as it is told to, and keeps a record of what it did. */
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
import { SupervisedGroup } from './supervised-group.js';
import { Traffic } from './traffic.js';

const WHO = 'HorizontalScalingManager';
const PORT = { ...number({ min: 1, max: 65_535, integer: true }), expected: 'a port from 1 to 65535' };
const PORT_OR_ANY = { ...number({ min: 0, max: 65_535, integer: true }), expected: 'a port from 0 to 65535' };

/**
 * Starts and ends instances of services, through a driver that knows how. Commands on one service are carried out one
 * after the other; instances that end by themselves are started again, with growing waits and not for ever; never fewer
 * than `min` are left and never more than `max` started.
 *
 * ```ts
 * const manager = new HorizontalScalingManager({
 *   driver: childProcesses({ command: ({ port }) => ({ args: ['reports.js'], env: { PORT: String(port) } }) }),
 *   services: { reports: { port: 3008, max: 4 } },
 *   router,
 * });
 * await manager.scaleUp('reports'); // on 3008
 * await manager.scaleUp('reports'); // on 3018
 * ```
 *
 * @throws TypeError or RangeError for a wrong option
 */
export class HorizontalScalingManager {
  readonly #settings: ManagerSettings;
  readonly #services = new Map<string, ManagedService>();
  readonly #changes = new Listeners<[]>(`${WHO}.onChange`);
  readonly #traffic: Traffic;
  readonly #stopMonitoring: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options?: HorizontalScalingManagerOptions) {
    this.#settings = resolveManagerOptions(WHO, options);
    const { driver, services, monitor, replaceUnhealthy } = this.#settings;
    // Who shares a port cannot be told apart from outside, neither by a router nor by a monitor.
    const apart = !('sharesPort' in driver && driver.sharesPort);
    this.#traffic = new Traffic({ ...this.#settings, ...(!apart && { router: undefined, monitor: undefined }) });
    for (const [name, service] of Object.entries(services)) this.registerService(name, service);
    if (replaceUnhealthy)
      this.#stopMonitoring = monitor?.onInstanceChange(({ service, port, status }) => {
        if (status === 'unhealthy')
          return this.#services.get(service)?.supervised?.replace(port, 'did not answer any more');
      });
  }

  /** The names of the services. */
  get services(): string[] {
    return [...this.#services.keys()];
  }

  /**
   * Makes a service known, or sets its new bounds. Starts nothing.
   *
   * @throws TypeError or RangeError for a wrong option
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
   * Starts so many more instances. Settles when they serve.
   *
   * @returns how many there are now; fewer than asked for where `max` is in the way or some did not start
   * @throws ResilienceError CONFLICT at `max`, or when a stop came in between; START_FAILED when none of them started;
   *   NOT_FOUND for a service that was not registered
   */
  async scaleUp(service: string, count = 1, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.scaleUp: count`, count, countCheck());
    return this.#open(service).scaleUp(count, options);
  }

  /**
   * Ends so many instances, the newest first, when they have finished what they do. Settles when they are gone.
   *
   * @throws ResilienceError CONFLICT at `min`; NOT_FOUND for a service that was not registered
   */
  async scaleDown(service: string, count = 1, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.scaleDown: count`, count, countCheck());
    return this.#open(service).scaleDown(count, options);
  }

  /**
   * Hands over from the instance on one port to a new one on another (0: any that is free): the new one is ready before
   * the old one is drained, so that no request fails. For that time there may be one more than `max`.
   *
   * @throws ResilienceError NOT_FOUND when no instance is ready on `fromPort`; CONFLICT when `toPort` belongs to an
   *   instance, or a scheduler places them; START_FAILED when the new one does not start (the old one stays)
   */
  async migrateInstance(fromPort: number, toPort = 0, options: CommandOptions = {}): Promise<ScalingOutcome> {
    checkValue(`${WHO}.migrateInstance: fromPort`, fromPort, PORT);
    checkValue(`${WHO}.migrateInstance: toPort`, toPort, PORT_OR_ANY);
    const from = this.getInstanceDetails().find(({ port, state }) => port === fromPort && state === 'ready');
    if (from === undefined) throw new ResilienceError('NOT_FOUND', `no instance is ready on port ${fromPort}`);
    return this.#open(from.service).migrate(from, toPort, options);
  }

  /** Starts a service: its `min` instances, one at least, or those it had when it was stopped. Keeps trying what fails. */
  async startService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).start(options);
  }

  /** Ends all instances of a service, at once: whatever else was ordered is given up. They stay known. */
  async stopService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).stop(options);
  }

  /** Ends and starts the instances of a service, one after the other and each on its port. */
  async restartService(service: string, options: CommandOptions = {}): Promise<ScalingOutcome> {
    return this.#open(service).restart(options);
  }

  /**
   * Takes over an instance that runs already, as a predecessor left it; the caller has made sure that it is the one.
   *
   * @returns false when it is gone, its name is taken or the driver cannot
   * @throws ResilienceError NOT_FOUND for a service that was not registered
   */
  async adopt(found: FoundInstance): Promise<boolean> {
    return this.#open(found.service).adopt(found);
  }

  /** Instances of a service that run or are on their way; 0 for one that is not known. */
  getInstanceCount(service: string): number {
    return this.#services.get(service)?.group.count ?? 0;
  }

  /** The instances of a service, or all. */
  getInstanceDetails(service?: string): readonly InstanceDetails[] {
    if (service !== undefined) return this.#services.get(service)?.group.details ?? [];
    return [...this.#services.values()].flatMap(({ group }) => group.details);
  }

  /** What was done, the newest first. */
  getScalingHistory(query?: HistoryQuery): readonly ScalingRecord[] {
    return this.#settings.history.list(query);
  }

  /** Whether a command on the service runs or waits. */
  isBusy(service: string): boolean {
    return this.#services.get(service)?.isBusy ?? false;
  }

  /** Looks again at what a scheduler runs; of the instances that this process runs it knows without. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#services.values()].map(({ group }) => group.refresh()));
  }

  /** Calls back whenever something about an instance has changed. Returns what ends it. */
  onChange(callback: () => unknown): () => void {
    return this.#changes.add(callback);
  }

  /** Ends what this process runs; what a scheduler runs goes on. Idempotent. */
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
    const services = [...this.#services.values()];
    await Promise.all(services.map((service) => service.giveUp()));
    await Promise.all(services.flatMap(({ supervised }) => supervised?.stop() ?? []));
    await driver.close();
    history.close();
  }

  #group(service: string, { port, portStep }: ServicePlan): InstanceGroup {
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
      isTaken: (asked) => this.#isTaken(asked),
      drain: (instance, signal) => this.#traffic.drain(instance, signal),
      onState: (details) => this.#onState(details),
    });
  }

  #onState(details: InstanceDetails): void {
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

  /** The service, for a command. */
  #open(name: string): ManagedService {
    if (this.#closing !== undefined) throw new ResilienceError('SHUTTING_DOWN', `${WHO} is shut down`);
    return this.#service(name);
  }
}
