/** Ends instances that run but do not answer any more; whoever supervises them starts them again. */
import { HealthMonitor } from '../../src/index.js';
import type { Logger } from '../support/logger.js';
import type { FleetRunner, InstanceRecord } from './fleet-runner.js';

export interface LivenessSettings {
  /** Milliseconds between two looks at an instance. */
  readonly checkInterval: number;
  /** Milliseconds an answer may take. */
  readonly timeout: number;
  /** Looks in a row without an answer, after which the instance is ended. */
  readonly fall: number;
}

/**
 * Patient on purpose: a service that is merely busy answers late, and to end it then would hand its load to the others.
 */
export const PATIENT: LivenessSettings = { checkInterval: 10_000, timeout: 5_000, fall: 3 };

/** Watches every instance that is ready. Returns what ends it. */
export function watchLiveness(fleet: FleetRunner, log: Logger, settings: LivenessSettings = PATIENT): () => void {
  const monitor = new HealthMonitor({ ...settings, fastInterval: settings.checkInterval, path: '/livez' });
  const watched = new Map<string, InstanceRecord>();
  const keyOf = ({ service, port }: Pick<InstanceRecord, 'port'> & { service: string }): string => `${service}:${port}`;

  const stopFollowing = fleet.onChange((instances) => {
    const ready = new Map(instances.filter(({ state }) => state === 'ready').map((one) => [keyOf(one), one]));
    for (const [key, { service, port }] of watched) {
      if (ready.has(key)) continue;
      watched.delete(key);
      monitor.unregisterService(service, port);
    }
    for (const [key, instance] of ready) {
      if (!watched.has(key)) monitor.registerService(instance.service, instance.port, { host: instance.host });
      watched.set(key, instance);
    }
  });
  monitor.onInstanceChange((change) => {
    const instance = change.status === 'unhealthy' ? watched.get(keyOf(change)) : undefined;
    if (instance?.pid == null) return;
    log.warn({ instance: instance.id, pid: instance.pid }, 'does not answer any more: ended, to be started again');
    process.kill(instance.pid, 'SIGKILL'); // what is frozen hears nothing milder
  });
  return () => {
    stopFollowing();
    monitor.destroy();
  };
}
