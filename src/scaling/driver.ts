/**
 * The contract between what decides how many instances run and what runs them: child processes on one machine, a
 * cluster's scheduler on many.
 */

export interface InstanceSpec {
  /** Service the instance belongs to, e.g. `training`. */
  readonly service: string;
  /** Name of this instance, unique in the fleet, e.g. `training-1`. */
  readonly id: string;
  /** Port to listen on; 0 lets the system choose a free one, which cannot race with anybody. */
  readonly port: number;
}

/** How an instance ended: by itself with a code, or by a signal. */
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

export interface ScalingDriver {
  /**
   * Starts an instance.
   *
   * @param signal ends the attempt: the instance is taken down again and the promise rejects
   * @returns when it has reported ready
   * @throws ResilienceError START_FAILED when it ended, refused or stayed silent instead; nothing is left behind.
   *   `extensions.permanent` is true when trying again cannot help: its configuration is wrong.
   */
  start(spec: InstanceSpec, signal?: AbortSignal): Promise<RunningInstance>;
  /** Asks an instance to drain and end; ends it by force once `timeout` ms have passed. Settles when it is gone. */
  stop(instance: RunningInstance, timeout?: number): Promise<void>;
  /** Stops everything it started. */
  close(): Promise<void>;
}
