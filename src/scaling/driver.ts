/**
 * The contracts between what decides how many instances run and what runs them: `ScalingDriver` starts and stops them
 * one by one (processes of one machine), `ReplicaDriver` is only told their number (a cluster's scheduler).
 */

export interface InstanceSpec {
  /** Service the instance belongs to, e.g. `training`. */
  readonly service: string;
  /** Name of this instance, unique in the fleet, e.g. `training-1`. */
  readonly id: string;
  /** Port to listen on; 0 lets the system choose a free one, which cannot race with anybody. */
  readonly port: number;
}

/** How an instance ended: by itself with a code, or by a signal. Both null where nobody can tell. */
export interface InstanceExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface RunningInstance extends InstanceSpec {
  readonly host: string;
  /** The port it really listens on. */
  readonly port: number;
  /** Process id, where the driver runs processes of this machine. */
  readonly pid: number | undefined;
  /** Milliseconds from the order to start until it reported ready. */
  readonly readyAfter: number;
  /** Settles when the instance has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<InstanceExit>;
}

/** An instance that runs already and was started by somebody else: a predecessor that was killed. */
export interface FoundInstance extends InstanceSpec {
  readonly host: string;
  /** The port it listens on. */
  readonly port: number;
  readonly pid: number;
}

/** What starts and stops instances: processes, workers, containers. */
export interface ScalingDriver {
  /** True where all instances of a service listen on one port, and whoever connects reaches any of them. */
  readonly sharesPort?: boolean;
  /**
   * Starts an instance.
   *
   * @param signal ends the attempt: the instance is taken down again and the promise rejects
   * @returns when it has reported ready
   * @throws ResilienceError START_FAILED when it ended, refused or stayed silent instead; nothing is left behind.
   *   `extensions.permanent` is true when trying again cannot help: its configuration is wrong. `extensions.portInUse`
   *   is true when another program has its port.
   */
  start(spec: InstanceSpec, signal?: AbortSignal): Promise<RunningInstance>;
  /** Asks an instance to drain and end; ends it by force once `timeout` ms have passed. Settles when it is gone. */
  stop(instance: RunningInstance, timeout?: number): Promise<void>;
  /**
   * Takes over an instance it did not start; the caller has made sure that it is the one. Absent where the driver cannot.
   *
   * @returns undefined when it is gone
   */
  adopt?(found: FoundInstance): RunningInstance | undefined;
  /** Stops everything it started or took over. Idempotent. */
  close(): Promise<void>;
}

/** One replica as a scheduler shows it. */
export interface Replica {
  readonly id: string;
  readonly host: string;
  /** 0 where the scheduler does not tell. */
  readonly port: number;
  readonly state: 'starting' | 'ready' | 'draining';
}

/** How many instances there are and how many are ready. */
export interface ReplicaStatus {
  /** How many there should be. */
  readonly wanted: number;
  /** How many serve, of the newest version. */
  readonly ready: number;
  readonly replicas: readonly Replica[];
}

/** What runs a number of instances by itself, as a cluster does. */
export interface ReplicaDriver {
  /**
   * How a service stands.
   *
   * @throws ResilienceError NOT_FOUND when the scheduler does not know it
   */
  status(service: string, signal?: AbortSignal): Promise<ReplicaStatus>;
  /**
   * Orders `count` replicas, and settles when so many serve and no more are left.
   *
   * @throws ResilienceError START_FAILED when that did not come about in time, CONFLICT when others keep changing it
   */
  scaleTo(service: string, count: number, signal?: AbortSignal): Promise<ReplicaStatus>;
  /** Idempotent. What runs goes on running: it is the scheduler's. */
  close(): Promise<void>;
}
