/**
 * The contracts between the code that decides the number of instances and the code that runs them. A `ScalingDriver`
 * starts and stops single instances (processes of one machine). A `ReplicaDriver` only sets their number (the scheduler
 * of a cluster).
 */

import type { ProcessUsage } from './process-usage.js';

/** The instance to start. */
export interface InstanceSpec {
  /** Service the instance belongs to, e.g. `training`. */
  readonly service: string;
  /** Name of this instance, unique in the fleet, e.g. `training-1`. */
  readonly id: string;
  /** Port to listen on. With 0 the system chooses a free one, which avoids conflicts. */
  readonly port: number;
}

/** How an instance ended: with an exit code, or by a signal. Both are null if unknown. */
export interface InstanceExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** An instance that has started. */
export interface RunningInstance extends InstanceSpec {
  readonly host: string;
  /** The port on which it actually listens. */
  readonly port: number;
  /** Process id, if the driver runs processes of this machine. */
  readonly pid: number | undefined;
  /** Milliseconds from the start order until the instance reported ready. */
  readonly readyAfter: number;
  /** Settles when the instance has ended, for any reason. Never rejects. */
  readonly exited: Promise<InstanceExit>;
}

/** A running instance that another process started, such as a predecessor that was killed. */
export interface FoundInstance extends InstanceSpec {
  readonly host: string;
  /** The port it listens on. */
  readonly port: number;
  readonly pid: number;
}

/**
 * Starts and stops instances: processes, workers or containers.
 *
 * @example
 * import { childProcesses, HorizontalScalingManager, type ScalingDriver } from '@tooloo/resilience';
 *
 * const driver: ScalingDriver = childProcesses();
 * const manager = new HorizontalScalingManager({ driver });
 */
export interface ScalingDriver {
  /** True if all instances of a service share one port, so that a connection may reach any of them. */
  readonly sharesPort?: boolean;
  /**
   * Starts an instance.
   *
   * @param signal cancels the start: the instance is stopped and the promise rejects
   * @returns when the instance has reported ready
   * @throws ResilienceError START_FAILED if it ended, failed or did not report in time. Nothing is left running.
   * `extensions.permanent` is true if a retry cannot help, because its configuration is invalid. `extensions.portInUse`
   * is true if another program uses its port.
   */
  start(spec: InstanceSpec, signal?: AbortSignal): Promise<RunningInstance>;
  /** Asks an instance to drain and end. Kills it after `timeout` ms. Settles when it has ended. */
  stop(instance: RunningInstance, timeout?: number): Promise<void>;
  /**
   * Adopts a running instance that it did not start. The caller has verified its identity. Absent if not supported.
   *
   * @returns undefined if the instance has ended
   */
  adopt?(found: FoundInstance): RunningInstance | undefined;
  /** Resource use of the instance's process, as reported by the system. Undefined or absent if unknown. */
  usage?(instance: RunningInstance): ProcessUsage | undefined;
  /** Releases all instances, so that they continue to run even when this process ends. Absent if not supported. */
  letGo?(): void;
  /** Stops all instances that it started or adopted. Idempotent. */
  close(): Promise<void>;
}

/** One replica as reported by a scheduler. */
export interface Replica {
  readonly id: string;
  readonly host: string;
  /** 0 if the scheduler does not report it. */
  readonly port: number;
  readonly state: 'starting' | 'ready' | 'draining';
}

/** The number of desired and of ready instances. */
export interface ReplicaStatus {
  /** Number of desired instances. */
  readonly wanted: number;
  /** Number of ready instances of the newest version. */
  readonly ready: number;
  readonly replicas: readonly Replica[];
}

/**
 * Runs a given number of instances by itself, as a cluster does.
 *
 * @example
 * import { HorizontalScalingManager, type ReplicaDriver } from '@tooloo/resilience';
 * import { kubernetes } from '@tooloo/resilience/kubernetes';
 *
 * const driver: ReplicaDriver = kubernetes({ namespace: 'shop' });
 * const manager = new HorizontalScalingManager({ driver });
 */
export interface ReplicaDriver {
  /**
   * The state of a service.
   *
   * @throws ResilienceError NOT_FOUND if the scheduler does not know the service
   */
  status(service: string, signal?: AbortSignal): Promise<ReplicaStatus>;
  /**
   * Orders `count` replicas. Settles when exactly that many are ready.
   *
   * @throws ResilienceError START_FAILED if that takes too long, CONFLICT if others keep changing the number
   */
  scaleTo(service: string, count: number, signal?: AbortSignal): Promise<ReplicaStatus>;
  /** Idempotent. The replicas continue to run, because they belong to the scheduler. */
  close(): Promise<void>;
}
