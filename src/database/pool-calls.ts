/** The options and results of a pool's methods. */

/** How a caller waits for a connection. */
export interface AcquireOptions {
  /** Leaves the queue when it aborts, e.g. because the client has gone. */
  readonly signal?: AbortSignal;
  /** Milliseconds to wait at most. Default: the pool's `connectionTimeout`. */
  readonly timeout?: number;
}

/** How long a pool waits for what is borrowed. */
export interface DrainOptions {
  /** Milliseconds that borrowers have to return their connections. Default: the pool's `connectionTimeout`. */
  readonly timeout?: number;
}

/** On how many connections the database answers. */
export interface PoolHealth {
  readonly healthy: number;
  readonly unhealthy: number;
  readonly total: number;
}
