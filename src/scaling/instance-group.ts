/** The instances of one service as the manager sees them, regardless of the driver. */

/** The published details of one instance. Routers send requests to instances that are `ready`. */
export interface InstanceDetails {
  readonly service: string;
  readonly id: string;
  readonly host: string;
  /** 0 until it is known. */
  readonly port: number;
  /** `waiting` for a restart after a crash; `failed` for good, until it is started or replaced by scaling. */
  readonly state: 'starting' | 'ready' | 'draining' | 'stopped' | 'waiting' | 'failed';
  readonly pid: number | null;
  /** Number of restarts after the instance ended by itself. */
  readonly restarts: number;
  /** Duration of the start in milliseconds; null until ready, and for an adopted instance. */
  readonly readyAfter: number | null;
  /** Why it does not run although it should. */
  readonly reason: string | null;
}

/** The result of an order to grow. */
export interface Growth {
  readonly added: readonly InstanceDetails[];
  /** Why the missing instances did not start. */
  readonly failures: readonly Error[];
}

export interface InstanceGroup {
  /** Number of instances that run or start. Failed, stopping and stopped instances do not count. */
  readonly count: number;
  readonly details: readonly InstanceDetails[];
  /** Starts `count` more instances. Settles when each is ready or has failed. Failed ones are removed. */
  grow(count: number, signal: AbortSignal): Promise<Growth>;
  /** Stops `count` instances, the least useful first, after they have finished their work. */
  shrink(count: number, signal: AbortSignal): Promise<readonly InstanceDetails[]>;
  /**
   * Starts the instances that should run, at least `count`, and keeps retrying. Settles when each is ready or has
   * failed once.
   */
  start(count: number, signal: AbortSignal): Promise<void>;
  /** Stops all instances and keeps their records. */
  stop(): Promise<void>;
  /** Restarts the instances one after the other. */
  restart(signal: AbortSignal): Promise<void>;
  /** Updates the state, if others may have changed it. */
  refresh(): Promise<void>;
}
