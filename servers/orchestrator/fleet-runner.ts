/**
 * The services of the fleet under the scaling manager: the published state of their instances, and the order of start
 * and stop.
 */
import type { HorizontalScalingManager, InstanceDetails } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';

/** An instance as published to the rest of the fleet. Routers forward to instances that are `ready`. */
export interface InstanceRecord extends Omit<InstanceDetails, 'service' | 'readyAfter'> {
  readonly service: ServiceName;
  readonly readyAfterMs: number | null;
}

/** Converts the details of an instance to the published record. */
export function recordOf({ service, readyAfter, ...rest }: InstanceDetails): InstanceRecord {
  return {
    service: service as ServiceName,
    ...rest,
    readyAfterMs: readyAfter === null ? null : Math.round(readyAfter),
  };
}

export class FleetRunner {
  #stopping: Promise<void> | undefined;

  constructor(readonly manager: HorizontalScalingManager) {}

  /** All instances that run or should run. */
  get instances(): readonly InstanceRecord[] {
    return this.manager.getInstanceDetails().map(recordOf);
  }

  instancesOf(service: ServiceName): readonly InstanceRecord[] {
    return this.manager.getInstanceDetails(service).map(recordOf);
  }

  /** Calls the listener with all instances whenever one changes. */
  onChange(listener: (instances: readonly InstanceRecord[]) => void): () => void {
    return this.manager.onChange(() => listener(this.instances));
  }

  /** Starts the instances that do not run. Settles when each one is ready or has failed for the first time. */
  async startAll(): Promise<void> {
    await Promise.all(this.manager.services.map((service) => this.manager.startService(service)));
  }

  /**
   * Stops all instances. The web service stops first, because it forwards requests to the other services. Idempotent.
   */
  stopAll(): Promise<void> {
    this.#stopping ??= this.manager.stopService('web' satisfies ServiceName).then(() => this.manager.shutdown());
    return this.#stopping;
  }
}
