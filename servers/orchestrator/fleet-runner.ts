/** Runs the fleet's services: one supervised instance each, or several, and tells whoever asks who is where. */
import { EventEmitter } from 'node:events';
import {
  InstanceSupervisor,
  ResilienceError,
  type RestartPolicy,
  type RunningInstance,
  type ScalingDriver,
} from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';

/** One instance as the rest of the fleet sees it: routers forward to those that are `ready`. */
export interface InstanceRecord {
  readonly service: ServiceName;
  readonly id: string;
  readonly host: string;
  /** 0 until it listens. */
  readonly port: number;
  readonly state: 'starting' | 'ready' | 'draining' | 'stopped' | 'waiting' | 'failed';
  readonly pid: number | null;
  readonly restarts: number;
  readonly readyAfterMs: number | null;
  /** Why it is not running, where it should be. */
  readonly reason: string | null;
}

export interface FleetRunnerOptions {
  readonly driver: ScalingDriver;
  readonly services: readonly ServiceName[];
  /** The port of a service's first instance; further ones stand `PORT_STEP` above each other. 0: any free one. */
  readonly portOf: (service: ServiceName) => number;
  readonly restart?: RestartPolicy;
}

const PORT_STEP = 10;

/** Instances of one service on one machine: a guard against a typing error, not a target. */
const MAX_INSTANCES = 50;

export class FleetRunner {
  readonly #options: FleetRunnerOptions;
  readonly #groups = new Map<ServiceName, InstanceSupervisor[]>();
  readonly #events = new EventEmitter<{ change: [instances: readonly InstanceRecord[]] }>();

  constructor(options: FleetRunnerOptions) {
    this.#options = options;
    for (const service of options.services) this.#groups.set(service, [this.#supervise(service, 1)]);
  }

  /** Every instance there is or should be. */
  get instances(): readonly InstanceRecord[] {
    return [...this.#groups].flatMap(([service, group]) => group.map((one) => describe(service, one)));
  }

  /** Calls back with all instances whenever one changes. */
  onChange(listener: (instances: readonly InstanceRecord[]) => void): () => void {
    this.#events.on('change', listener);
    return () => this.#events.off('change', listener);
  }

  /** Starts every instance that is not running. Settles when each is ready, or has failed for the first time. */
  async startAll(): Promise<void> {
    await Promise.all([...this.#groups.keys()].map((service) => this.start(service)));
  }

  async start(service: ServiceName): Promise<void> {
    await Promise.all(this.#group(service).map((one) => one.start()));
  }

  async stop(service: ServiceName): Promise<void> {
    await Promise.all(this.#group(service).map((one) => one.stop()));
  }

  /** Stops and starts the instances of a service, one after the other, so that the others go on serving. */
  async restart(service: ServiceName): Promise<void> {
    for (const one of this.#group(service)) {
      await one.stop();
      await one.start();
    }
  }

  /**
   * Runs one more instance of a service.
   *
   * @throws ResilienceError CONFLICT at the most instances; START_FAILED when the new one does not start (it is gone then)
   */
  async addInstance(service: ServiceName): Promise<InstanceRecord> {
    const group = this.#group(service);
    if (group.length >= MAX_INSTANCES)
      throw new ResilienceError('CONFLICT', `${service} has ${group.length} instances already`);
    const taken = new Set(group.map((one) => one.spec.id));
    let number = 1;
    while (taken.has(`${service}-${number}`)) number++;
    const added = this.#supervise(service, number);
    group.push(added);
    await added.start();
    const { current } = added;
    if (current.state === 'ready') return describe(service, added);
    await this.#remove(service, added);
    throw new ResilienceError(
      'START_FAILED',
      'reason' in current ? current.reason : `${added.spec.id} was stopped while it started`,
    );
  }

  /**
   * Ends the newest instance of a service.
   *
   * @throws ResilienceError CONFLICT when it is the last
   */
  async removeInstance(service: ServiceName): Promise<InstanceRecord> {
    const group = this.#group(service);
    const last = group.at(-1);
    if (last === undefined || group.length === 1)
      throw new ResilienceError('CONFLICT', `${service} has one instance left`);
    await this.#remove(service, last);
    return describe(service, last);
  }

  /** Ends every instance. Those that callers reach first go first, so that nobody is left asking the ones behind. */
  async stopAll(): Promise<void> {
    const gateway = this.#groups.get('web') ?? [];
    await Promise.all(gateway.map((one) => one.stop()));
    await Promise.all([...this.#groups.values()].flat().map((one) => one.stop()));
  }

  #group(service: ServiceName): InstanceSupervisor[] {
    const group = this.#groups.get(service);
    if (group === undefined) throw new ResilienceError('NOT_FOUND', `${service} is not run here`);
    return group;
  }

  async #remove(service: ServiceName, supervisor: InstanceSupervisor): Promise<void> {
    await supervisor.stop();
    const group = this.#group(service);
    this.#groups.set(
      service,
      group.filter((one) => one !== supervisor),
    );
    this.#changed();
  }

  #supervise(service: ServiceName, number: number): InstanceSupervisor {
    const { driver, portOf, restart } = this.#options;
    const first = portOf(service);
    const port = first === 0 ? 0 : first + (number - 1) * PORT_STEP;
    const supervisor = new InstanceSupervisor({
      driver,
      spec: { service, id: `${service}-${number}`, port },
      ...(restart !== undefined && { restart }),
    });
    supervisor.onChange(() => this.#changed());
    return supervisor;
  }

  #changed(): void {
    this.#events.emit('change', this.instances);
  }
}

function describe(service: ServiceName, supervisor: InstanceSupervisor): InstanceRecord {
  const { current, spec, restarts } = supervisor;
  const base = {
    service,
    id: spec.id,
    host: '127.0.0.1',
    port: spec.port,
    pid: null,
    restarts,
    readyAfterMs: null,
    reason: null,
  };
  switch (current.state) {
    case 'ready':
      return { ...base, ...whereabouts(current.instance), state: 'ready' };
    case 'stopping':
      return { ...base, ...(current.instance && whereabouts(current.instance)), state: 'draining' };
    case 'waiting':
    case 'failed':
      return { ...base, state: current.state, reason: current.reason };
    case 'starting':
    case 'stopped':
      return { ...base, state: current.state };
  }
}

function whereabouts({ host, port, pid, readyAfter }: RunningInstance) {
  return { host, port, pid: pid ?? null, readyAfterMs: Math.round(readyAfter) };
}
