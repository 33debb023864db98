/** The fleet's services under the scaling manager: what is told of their instances, and the order of start and end. */
import type { HorizontalScalingManager, InstanceDetails } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';

/** One instance as the rest of the fleet sees it: routers forward to those that are `ready`. */
export interface InstanceRecord extends Omit<InstanceDetails, 'service' | 'readyAfter'> {
  readonly service: ServiceName;
  readonly readyAfterMs: number | null;
}

/** An instance as the fleet tells of it. */
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

  /** Every instance there is or should be. */
  get instances(): readonly InstanceRecord[] {
    return this.manager.getInstanceDetails().map(recordOf);
  }

  instancesOf(service: ServiceName): readonly InstanceRecord[] {
    return this.manager.getInstanceDetails(service).map(recordOf);
  }

  /** Calls back with all instances whenever one changes. */
  onChange(listener: (instances: readonly InstanceRecord[]) => void): () => void {
    return this.manager.onChange(() => listener(this.instances));
  }

  /** Starts what does not run. Settles when each instance is ready, or has failed for the first time. */
  async startAll(): Promise<void> {
    await Promise.all(this.manager.services.map((service) => this.manager.startService(service)));
  }

  /** Ends every instance. Those that callers reach first go first, so that nobody is left asking the ones behind. Idempotent. */
  stopAll(): Promise<void> {
    this.#stopping ??= this.manager.stopService('web' satisfies ServiceName).then(() => this.manager.shutdown());
    return this.#stopping;
  }
}
