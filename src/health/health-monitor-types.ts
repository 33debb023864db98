/** The options of `HealthMonitor`, and what it reports. */
import type { Clock } from '../shared/clock.js';
import type { CheckOutcome } from './http-check.js';
import type { CheckRecord, CheckTarget, HealthStatus, InstanceHealth } from './instance-watch.js';

/** The default check settings of every instance; `registerService` can override them. */
export interface CheckSettings {
  /** Milliseconds between checks, ± 10 %. Default 6000: a server that refuses is unhealthy within 9 s. */
  readonly checkInterval?: number;
  /** Milliseconds between checks while the verdict is open: before the first and after a first deviation. Default 1000. */
  readonly fastInterval?: number;
  /** Milliseconds until an unfinished check has failed. Default 2000. */
  readonly timeout?: number;
  /** Consecutive passes that make an unhealthy instance healthy; the first check needs only one. Default 2. */
  readonly rise?: number;
  /** Failures in a row that make it unhealthy; an instance that answers that it is draining is so at once. Default 3. */
  readonly fall?: number;
  /** The path that is requested. Default '/health'. */
  readonly path?: string;
}

/** The defaults of all checks, and how they are made. */
export interface HealthMonitorOptions extends CheckSettings {
  /** Replaces the HTTP check: checks one instance and obeys the signal. A rejection means unhealthy. */
  readonly check?: (target: CheckTarget, signal: AbortSignal) => Promise<CheckOutcome>;
  /** Where chance comes from. Default `Math.random`. */
  readonly random?: () => number;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The address and the checks of one instance. */
export interface RegisterOptions extends CheckSettings {
  /** Default '127.0.0.1'. */
  readonly host?: string;
  /** Default 'http'. */
  readonly protocol?: 'http' | 'https';
}

/** A service by its instances. */
export interface ServiceHealth {
  readonly service: string;
  /** `healthy`: every instance known is. `degraded`: some are not, or warn. `unhealthy`: none takes traffic. */
  readonly status: HealthStatus;
  /** The latest checks, oldest first, 20 at most. */
  readonly checks: readonly CheckRecord[];
  readonly instances: readonly InstanceHealth[];
}

/** An instance whose status has changed. */
export interface InstanceChange {
  readonly service: string;
  /** 'host:port' */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly status: HealthStatus;
  readonly previous: HealthStatus;
}

/** Instances by their state, and the number of checks. */
export interface HealthMonitorStats {
  readonly services: number;
  readonly instances: number;
  readonly healthy: number;
  readonly degraded: number;
  readonly unhealthy: number;
  readonly unknown: number;
  /** Number of checks since the start, and how many failed. */
  readonly checks: number;
  readonly failures: number;
}
