/** The published details of a supervised instance. */
import type { RunningInstance } from './driver.js';
import type { InstanceDetails } from './instance-group.js';
import type { InstanceSupervisor } from './instance-supervisor.js';

/** The port it listens on; 0 while it does not. */
export function portOf({ current }: InstanceSupervisor): number {
  return ('instance' in current && current.instance?.port) || 0;
}

export function describe({ current, spec, restarts }: InstanceSupervisor): InstanceDetails {
  const base = {
    service: spec.service,
    id: spec.id,
    host: '127.0.0.1',
    port: spec.port,
    pid: null,
    restarts,
    readyAfter: null,
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
  return { host, port, pid: pid ?? null, readyAfter };
}
