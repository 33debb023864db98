/** What a HorizontalScalingManager is told: the options, their rules and their defaults. */
import { availableParallelism } from 'node:os';
import { monotonicClock, type Clock } from '../shared/clock.js';
import {
  anyOf,
  boolean,
  checkOptions,
  clock as clockCheck,
  count,
  having,
  milliseconds,
  number,
  object,
  string,
  type OptionChecks,
} from '../shared/options.js';
import { childProcesses } from './child-processes.js';
import type { ReplicaDriver, ScalingDriver } from './driver.js';
import type { RestartPolicy } from './restart-budget.js';
import { sqliteScalingHistory, type ScalingHistory } from './scaling-history.js';

/** Who sends the instances their requests, as much as scaling needs of it. An IntelligentRouter is one. */
export interface ScalingRouter {
  addTarget(service: string, target: { readonly id: string; readonly host: string; readonly port: number }): unknown;
  removeTarget(service: string, id: string): unknown;
  /** Sends nothing new. Settles when nothing is in flight any more. */
  drain(id: string): Promise<unknown>;
}

/** Who checks the instances, as much as scaling needs of it. A HealthMonitor is one. */
export interface ScalingMonitor {
  registerService(service: string, port: number, options: { readonly host: string }): unknown;
  unregisterService(service: string, port: number, host: string): unknown;
  onInstanceChange(
    callback: (change: { readonly service: string; readonly port: number; readonly status: string }) => unknown,
  ): () => void;
}

/** One service. */
export interface ServiceOptions {
  /** Port of the first instance; default 0: each has any that is free. */
  readonly port?: number;
  /** From one instance's port to the next one's. Default 10. */
  readonly portStep?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default: as many as this machine has cores, and no fewer than `min`. */
  readonly max?: number;
}

/** The services, what runs them, and who is told. */
export interface HorizontalScalingManagerOptions {
  /** What runs the instances. Default `childProcesses()`. */
  readonly driver?: ScalingDriver | ReplicaDriver;
  /** The services, by name; `registerService` adds further ones. */
  readonly services?: Readonly<Record<string, ServiceOptions>>;
  /** Is told of instances that are ready, and drained before they end. Not where they share a port, nor the monitor. */
  readonly router?: ScalingRouter;
  /** Watches the instances that are ready. */
  readonly monitor?: ScalingMonitor;
  /** Ends an instance that the monitor calls unhealthy, and starts it again. Default false: give it a patient one first. */
  readonly replaceUnhealthy?: boolean;
  /** A history, or the path of a SQLite file; closed with the manager, as the driver is. Default: in memory. */
  readonly history?: ScalingHistory | string;
  /** How instances that end by themselves are started again. */
  readonly restart?: RestartPolicy;
  /**
   * Milliseconds that a change takes to reach whoever sends requests, where that is not the `router`: no instance is told
   * to end earlier than this after it was announced as draining, nor drained earlier than this after its successor was
   * ready. Default 0.
   */
  readonly settleTime?: number;
  /** Longest wait for the router to have nothing in flight, in ms. Default 10,000. */
  readonly drainTimeout?: number;
  /** For waits. Records carry the wall clock's time. */
  readonly clock?: Clock;
}

export type ServicePlan = Required<ServiceOptions>;

export interface ManagerSettings extends Required<
  Pick<
    HorizontalScalingManagerOptions,
    'driver' | 'services' | 'replaceUnhealthy' | 'settleTime' | 'drainTimeout' | 'clock'
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
  history: anyOf(string, having('a history', 'record', 'list', 'close')),
  restart: object('a restart policy'),
  settleTime: milliseconds,
  drainTimeout: milliseconds,
  clock: clockCheck,
};

const port = { ...number({ min: 0, max: 65_535, integer: true }), expected: 'a port from 0 to 65535' };

const SERVICE_CHECKS: OptionChecks<ServiceOptions> = { port, portStep: count(), min: count(0), max: count() };

/** @throws TypeError or RangeError for a wrong option */
export function resolveManagerOptions(who: string, options?: HorizontalScalingManagerOptions): ManagerSettings {
  const given = checkOptions(who, options, CHECKS);
  const { history } = given;
  return {
    driver: given.driver ?? childProcesses(),
    services: given.services ?? {},
    router: given.router,
    monitor: given.monitor,
    replaceUnhealthy: given.replaceUnhealthy ?? false,
    restart: given.restart,
    history: typeof history === 'object' ? history : sqliteScalingHistory({ path: history }),
    settleTime: given.settleTime ?? 0,
    drainTimeout: given.drainTimeout ?? 10_000,
    clock: given.clock ?? monotonicClock,
  };
}

/** @throws TypeError or RangeError for a wrong option, or a min above max */
export function resolveService(who: string, options?: ServiceOptions): ServicePlan {
  const { port: first = 0, portStep = 10, min = 1, ...rest } = checkOptions(who, options, SERVICE_CHECKS);
  const max = rest.max ?? Math.max(min, availableParallelism());
  if (min > max) throw new RangeError(`${who}: expected min ≤ max, got min ${min}, max ${max}`);
  return { port: first, portStep, min, max };
}
