/** The options of a HorizontalScalingManager, their rules and their defaults. */
import { availableParallelism } from 'node:os';
import { monotonicClock, type Clock } from '../shared/clock.js';
import {
  anyOf,
  boolean,
  checkOptions,
  clock as clockCheck,
  count,
  func,
  having,
  milliseconds,
  number,
  object,
  positive,
  string,
  type OptionChecks,
} from '../shared/options.js';
import { childProcesses } from './child-processes.js';
import type { InstanceDemand } from './demand.js';
import type { ReplicaDriver, ScalingDriver } from './driver.js';
import type { RestartPolicy } from './restart-budget.js';
import { sqliteScalingHistory, type ScalingHistory } from './scaling-history.js';

/**
 * The part of a router that scaling needs. An IntelligentRouter implements it.
 *
 * @example
 * import { HorizontalScalingManager, IntelligentRouter, type ScalingRouter } from '@tooloo/resilience';
 *
 * const router: ScalingRouter = new IntelligentRouter();
 * const manager = new HorizontalScalingManager({ router });
 */
export interface ScalingRouter {
  addTarget(service: string, target: { readonly id: string; readonly host: string; readonly port: number }): unknown;
  removeTarget(service: string, id: string): unknown;
  /** Stops sending new requests. Settles when no request is in flight. */
  drain(id: string): Promise<unknown>;
}

/**
 * The part of a monitor that scaling needs. A HealthMonitor implements it.
 *
 * @example
 * import { HealthMonitor, HorizontalScalingManager, type ScalingMonitor } from '@tooloo/resilience';
 *
 * const monitor: ScalingMonitor = new HealthMonitor();
 * const manager = new HorizontalScalingManager({ monitor });
 */
export interface ScalingMonitor {
  registerService(service: string, port: number, options: { readonly host: string }): unknown;
  unregisterService(service: string, port: number, host: string): unknown;
  onInstanceChange(
    callback: (change: { readonly service: string; readonly port: number; readonly status: string }) => unknown,
  ): () => void;
}

/** The options of one service. */
export interface ServiceOptions {
  /** Port of the first instance. Default 0: each instance gets a free port. */
  readonly port?: number;
  /** Distance between the ports of consecutive instances. Default 10. */
  readonly portStep?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default: the number of cores of this machine, but at least `min`. */
  readonly max?: number;
  /**
   * Whether callers know the service only by its port, without a router in between. They would not find a successor on
   * another port. Therefore the only instance is restarted on its port. Default false.
   */
  readonly fixedPort?: boolean;
}

/** The services, the driver that runs them, and the components to notify. */
export interface HorizontalScalingManagerOptions {
  /** The driver that runs the instances. Default `childProcesses()`. */
  readonly driver?: ScalingDriver | ReplicaDriver;
  /** The services, by name; `registerService` adds more. */
  readonly services?: Readonly<Record<string, ServiceOptions>>;
  /**
   * Receives the instances that are ready, and drains them before they stop. Not used for instances that share a port;
   * the same applies to the monitor.
   */
  readonly router?: ScalingRouter;
  /** Monitors the instances that are ready. */
  readonly monitor?: ScalingMonitor;
  /**
   * Replaces an instance that the monitor reports as unhealthy, once neither its callers (`demandOf`) nor its process
   * has shown progress for `stallWindow`. A busy instance is not replaced. The last ready instance stops only when its
   * successor is ready. Default false.
   */
  readonly replaceUnhealthy?: boolean;
  /** Milliseconds without progress after which an unhealthy instance is stopped. Default 15,000. */
  readonly stallWindow?: number;
  /**
   * The callers' requests in progress to an instance, as returned by `AutoScalingDecisionEngine.demandOf`. Default:
   * unknown.
   */
  readonly demandOf?: (service: string, instance: string) => InstanceDemand | undefined;
  /** A history, or the path of a SQLite file. It is closed with the manager, as is the driver. Default: in memory. */
  readonly history?: ScalingHistory | string;
  /** How instances that end by themselves are restarted. */
  readonly restart?: RestartPolicy;
  /**
   * Milliseconds until a change reaches all callers that do not use the `router`. An instance stops at the earliest
   * this long after it was announced as draining. It is drained at the earliest this long after its successor was
   * ready. Default 0.
   */
  readonly settleTime?: number;
  /** Longest wait until the router has no requests in flight, in ms. Default 10,000. */
  readonly drainTimeout?: number;
  /** The clock for waits. Records use the wall clock. */
  readonly clock?: Clock;
}

export type ServicePlan = Required<ServiceOptions>;

export interface ManagerSettings extends Required<
  Pick<
    HorizontalScalingManagerOptions,
    'driver' | 'services' | 'replaceUnhealthy' | 'stallWindow' | 'demandOf' | 'settleTime' | 'drainTimeout' | 'clock'
  >
> {
  readonly router: ScalingRouter | undefined;
  readonly monitor: ScalingMonitor | undefined;
  readonly restart: RestartPolicy | undefined;
  readonly history: ScalingHistory;
}

const driver = anyOf(having('a scaling driver', 'start', 'stop'), having('a replica driver', 'status', 'scaleTo'));

const CHECKS: OptionChecks<HorizontalScalingManagerOptions> = {
  driver,
  services: object('services by name'),
  router: having('a router', 'addTarget', 'removeTarget', 'drain'),
  monitor: having('a monitor', 'registerService', 'unregisterService', 'onInstanceChange'),
  replaceUnhealthy: boolean,
  stallWindow: positive,
  demandOf: func,
  history: anyOf(string, having('a history', 'record', 'list', 'close')),
  restart: object('a restart policy'),
  settleTime: milliseconds,
  drainTimeout: milliseconds,
  clock: clockCheck,
};

const port = { ...number({ min: 0, max: 65_535, integer: true }), expected: 'a port from 0 to 65535' };

const SERVICE_CHECKS: OptionChecks<ServiceOptions> = {
  port,
  portStep: count(),
  min: count(0),
  max: count(),
  fixedPort: boolean,
};

/** @throws TypeError or RangeError for an invalid option */
export function resolveManagerOptions(who: string, options?: HorizontalScalingManagerOptions): ManagerSettings {
  const given = checkOptions(who, options, CHECKS);
  const { history } = given;
  return {
    driver: given.driver ?? childProcesses(),
    services: given.services ?? {},
    router: given.router,
    monitor: given.monitor,
    replaceUnhealthy: given.replaceUnhealthy ?? false,
    stallWindow: given.stallWindow ?? 15_000,
    demandOf: given.demandOf ?? (() => undefined),
    restart: given.restart,
    history: typeof history === 'object' ? history : sqliteScalingHistory({ path: history }),
    settleTime: given.settleTime ?? 0,
    drainTimeout: given.drainTimeout ?? 10_000,
    clock: given.clock ?? monotonicClock,
  };
}

/** @throws TypeError or RangeError for an invalid option, or a min above max */
export function resolveService(who: string, options?: ServiceOptions): ServicePlan {
  const {
    port: first = 0,
    portStep = 10,
    min = 1,
    fixedPort = false,
    ...rest
  } = checkOptions(who, options, SERVICE_CHECKS);
  const max = rest.max ?? Math.max(min, availableParallelism());
  if (min > max) throw new RangeError(`${who}: expected min ≤ max, got min ${min}, max ${max}`);
  return { port: first, portStep, min, max, fixedPort };
}
