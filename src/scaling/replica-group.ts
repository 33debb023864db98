/**
 * The replicas of one service at a scheduler. The scheduler starts, monitors and replaces them. This class only sets
 * their number.
 */
import { asError, ResilienceError } from '../shared/errors.js';
import type { Replica, ReplicaDriver, ReplicaStatus } from './driver.js';
import type { Growth, InstanceDetails, InstanceGroup } from './instance-group.js';

export class ReplicaGroup implements InstanceGroup {
  readonly #service: string;
  readonly #driver: ReplicaDriver;
  readonly #onChange: () => void;
  /** The state at the latest check. */
  #status: ReplicaStatus = { wanted: 0, ready: 0, replicas: [] };

  constructor(service: string, driver: ReplicaDriver, onChange: () => void) {
    this.#service = service;
    this.#driver = driver;
    this.#onChange = onChange;
  }

  get count(): number {
    return this.#status.wanted;
  }

  get details(): readonly InstanceDetails[] {
    return this.#status.replicas.map((replica) => describe(this.#service, replica));
  }

  async grow(count: number, signal: AbortSignal): Promise<Growth> {
    const before = this.#ids();
    try {
      await this.#scaleTo(this.count + count, signal);
      return { added: this.details.filter(({ id }) => !before.has(id)), failures: [] };
    } catch (error) {
      return { added: [], failures: [asError(error)] };
    }
  }

  async shrink(count: number, signal: AbortSignal): Promise<readonly InstanceDetails[]> {
    const before = this.details;
    await this.#scaleTo(Math.max(0, this.count - count), signal);
    const left = this.#ids();
    return before.filter(({ id }) => !left.has(id));
  }

  async start(count: number, signal: AbortSignal): Promise<void> {
    if (this.count < count) await this.#scaleTo(count, signal);
  }

  async stop(): Promise<void> {
    await this.#scaleTo(0);
  }

  restart(): Promise<void> {
    return Promise.reject(
      new ResilienceError('CONFLICT', `${this.#service}: its scheduler restarts it, on a new version`),
    );
  }

  async refresh(): Promise<void> {
    this.#keep(await this.#driver.status(this.#service));
  }

  #ids(): Set<string> {
    return new Set(this.#status.replicas.map(({ id }) => id));
  }

  async #scaleTo(count: number, signal?: AbortSignal): Promise<void> {
    try {
      this.#keep(await this.#driver.scaleTo(this.#service, count, signal));
    } catch (error) {
      await this.refresh().catch(() => {}); // the error says more than a second one would
      throw error;
    }
  }

  #keep(status: ReplicaStatus): void {
    const isNew = JSON.stringify(status) !== JSON.stringify(this.#status);
    this.#status = status;
    if (isNew) this.#onChange();
  }
}

function describe(service: string, { id, host, port, state }: Replica): InstanceDetails {
  return { service, id, host, port, state, pid: null, restarts: 0, readyAfter: null, reason: null };
}
