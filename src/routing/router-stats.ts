/** The statistics that the router reports about its services and their instances. */
import type { CircuitState } from '../shared/circuit-breaker.js';
import type { InstanceStats } from './instance.js';
import type { InstanceStatus } from './monitor.js';
import type { ServiceGroup, TargetState } from './service-group.js';

/** An instance as the router sees it. */
export interface TargetStats extends InstanceStats {
  readonly state: 'usable' | Exclude<TargetState, 'up' | 'removed'> | 'probing';
  readonly health: InstanceStatus | undefined;
  readonly circuit: CircuitState;
  /** Ejections that still count against it. */
  readonly ejections: number;
}

/** A service as the router sees it. */
export interface ServiceStats {
  readonly service: string;
  readonly algorithm: string;
  readonly panic: boolean;
  readonly requests: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly instances: readonly TargetStats[];
}

/** @param now the time of the router's clock */
export function serviceStats(group: ServiceGroup, now: number): ServiceStats {
  const { algorithm, panic, requests, failures, inFlight } = group.balancer.getStats();
  const instances = [...group.members()].map((member) => ({
    ...member.instance.stats(now),
    state: group.stateOf(member),
    health: member.health,
    circuit: member.breaker.state,
    ejections: group.outliers.ejections(member.instance),
  }));
  return { service: group.service, algorithm, panic, requests, failures, inFlight, instances };
}
