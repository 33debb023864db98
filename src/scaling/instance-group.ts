/** The instances of one service, as the manager sees them, whoever runs them. */

/** One instance: what is told to whoever asks who is where. Routers send requests to those that are `ready`. */
export interface InstanceDetails {
  readonly service: string;
  readonly id: string;
  readonly host: string;
  /** 0 until it is known. */
  readonly port: number;
  /** `waiting` to be started again after a crash; `failed` for good, until it is started or scaled over. */
  readonly state: 'starting' | 'ready' | 'draining' | 'stopped' | 'waiting' | 'failed';
  readonly pid: number | null;
  /** How often it was started again after it had ended by itself. */
  readonly restarts: number;
  /** Milliseconds its start took; null until it is ready, and for one that was adopted. */
  readonly readyAfter: number | null;
  /** Why it is not running, where it should be. */
  readonly reason: string | null;
}

/** What came of an order to grow. */
export interface Growth {
  readonly added: readonly InstanceDetails[];
  /** Why those that are missing did not start. */
  readonly failures: readonly Error[];
}

export interface InstanceGroup {
  /** Instances that run or are on their way: those that failed for good, end or are stopped do not count. */
  readonly count: number;
  readonly details: readonly InstanceDetails[];
  /** Starts so many more. Settles when each is ready or has failed; what failed is gone. */
  grow(count: number, signal: AbortSignal): Promise<Growth>;
  /** Ends so many, the least useful first, when they have finished what they do. */
  shrink(count: number, signal: AbortSignal): Promise<readonly InstanceDetails[]>;
  /** Starts what should run, `count` at least, and keeps trying. Settles when each is ready or has failed once. */
  start(count: number, signal: AbortSignal): Promise<void>;
  /** Ends all, which stay known. */
  stop(): Promise<void>;
  /** Ends and starts them, one after the other. */
  restart(signal: AbortSignal): Promise<void>;
  /** Looks again, where others may have changed something. */
  refresh(): Promise<void>;
}
