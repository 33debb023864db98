/** The statistics of a pool. */

/** A pool at this moment, and what it has done since it was made. */
export interface ConnectionPoolStats {
  /** Connections open: idle, borrowed or being checked. */
  readonly poolSize: number;
  /** Connections borrowed. */
  readonly activeCount: number;
  /** Connections idle and ready to be lent. */
  readonly availableConnections: number;
  /** Callers waiting. */
  readonly waitingRequests: number;
  /** Attempts to connect in progress. */
  readonly connecting: number;
  /** Borrowed share of `maxConnections`, 0 to 1. */
  readonly utilization: number;
  /** Callers whose wait ended without a connection. */
  readonly timeouts: number;
  /** Borrowings reported as leaks. */
  readonly leaks: number;
  /** Connections opened and closed so far, and attempts that failed. */
  readonly created: number;
  readonly closed: number;
  readonly connectFailures: number;
  /** Borrowings so far, and how many of them had to wait. */
  readonly acquired: number;
  readonly waited: number;
  /** Milliseconds, over the borrowings that waited. */
  readonly averageWait: number;
  readonly longestWait: number;
  /** Connections given back with an open transaction, which was rolled back. */
  readonly dirtyReturns: number;
  readonly validationFailures: number;
}

/** Counters a pool keeps; the gauges it knows by itself. */
export class PoolCounters {
  timeouts = 0;
  leaks = 0;
  created = 0;
  closed = 0;
  connectFailures = 0;
  acquired = 0;
  waited = 0;
  totalWait = 0;
  longestWait = 0;
  dirtyReturns = 0;
  validationFailures = 0;

  /** Counts a borrowing that had to wait. */
  recordWait(duration: number): void {
    this.waited++;
    this.totalWait += duration;
    if (duration > this.longestWait) this.longestWait = duration;
  }
}
