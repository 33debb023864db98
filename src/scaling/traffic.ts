/** Announces instances to the router and the monitor, and waits for the router to stop using one. */
import { sleep, type Clock } from '../shared/clock.js';
import { callGuarded } from '../shared/listeners.js';
import type { RunningInstance } from './driver.js';
import type { InstanceDetails } from './instance-group.js';
import type { ScalingMonitor, ScalingRouter } from './manager-options.js';

export interface TrafficParts {
  readonly router: ScalingRouter | undefined;
  readonly monitor: ScalingMonitor | undefined;
  /** Milliseconds until a change reaches the callers. */
  readonly settleTime: number;
  /** Longest wait for the router, in ms. */
  readonly drainTimeout: number;
  readonly clock: Clock;
}

const WHO = 'HorizontalScalingManager';

export class Traffic {
  readonly #parts: TrafficParts;
  /** The instances known to the router, and those that are monitored. */
  readonly #routed = new Map<string, InstanceDetails>();
  readonly #watched = new Map<string, InstanceDetails>();

  constructor(parts: TrafficParts) {
    this.#parts = parts;
  }

  update(instance: InstanceDetails): void {
    if (instance.state === 'ready') this.#add(instance);
    else this.#remove(instance.id, instance.state === 'draining');
  }

  /** Settles when no caller sends requests to the instance, or the time for waiting is over. Never rejects. */
  async drain({ id }: RunningInstance, signal: AbortSignal): Promise<void> {
    const { router, settleTime, drainTimeout, clock } = this.#parts;
    const done = new AbortController();
    const given = AbortSignal.any([signal, done.signal]);
    const pause = (time: number): Promise<void> => sleep(clock, time, given).catch(() => {});
    const letGo = router === undefined ? undefined : Promise.resolve(router.drain(id)).catch(() => {});
    await Promise.all([pause(settleTime), Promise.race([letGo, pause(drainTimeout)])]);
    done.abort();
  }

  #add(instance: InstanceDetails): void {
    const { router, monitor } = this.#parts;
    const { service, id, host, port } = instance;
    const known = this.#routed.get(id);
    if (known?.port === port && this.#watched.has(id)) return;
    this.#routed.set(id, instance);
    this.#watched.set(id, instance);
    if (router !== undefined) callGuarded(WHO, () => router.addTarget(service, { id, host, port }));
    if (monitor !== undefined) callGuarded(WHO, () => monitor.registerService(service, port, { host }));
  }

  #remove(id: string, isDraining: boolean): void {
    const { router, monitor } = this.#parts;
    const watched = this.#watched.get(id);
    if (watched !== undefined && this.#watched.delete(id) && monitor !== undefined && !this.#isWatched(watched))
      callGuarded(WHO, () => monitor.unregisterService(watched.service, watched.port, watched.host));
    const routed = isDraining ? undefined : this.#routed.get(id);
    if (routed !== undefined && this.#routed.delete(id) && router !== undefined)
      callGuarded(WHO, () => router.removeTarget(routed.service, id));
  }

  /**
   * Whether another instance has this address. The monitor identifies instances by address, and an end may be reported
   * late.
   */
  #isWatched({ service, host, port }: InstanceDetails): boolean {
    for (const other of this.#watched.values()) {
      if (other.service === service && other.host === host && other.port === port) return true;
    }
    return false;
  }
}
