/** The scaling loop: it reads the load of the instances, lets the engine decide, and has the manager act. */
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { asError } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import {
  arrayOf,
  checkOptions,
  checkValue,
  clock as clockCheck,
  func,
  having,
  positive,
  string,
} from '../shared/options.js';
import type { AutoScalingDecisionEngine } from './auto-scaling-decision-engine.js';
import type { ProcessUsage } from './process-usage.js';
import type { HorizontalScalingManager } from './horizontal-scaling-manager.js';
import type { InstanceDetails } from './instance-group.js';
import type { CallerDemand } from './demand.js';
import type { InstanceSample } from './metrics.js';
import { ScalingHolds, type ScalingHold } from './scaling-holds.js';

/** The source of samples, the engine and the manager. */
export interface ScalingLoopOptions {
  readonly engine: AutoScalingDecisionEngine;
  readonly manager: HorizontalScalingManager;
  /**
   * Reads the figures of a ready instance, and its own requests in progress to other services. If the call rejects, the
   * instance is missing, never idle. If it times out, the instance counts as saturated while callers send it requests
   * or its process is busy.
   */
  readonly sample: (instance: InstanceDetails, signal: AbortSignal) => Promise<InstanceReport>;
  /** Requests in progress of callers outside these instances, by service, such as a gateway in this process. */
  readonly demand?: () => Readonly<Record<string, readonly CallerDemand[]>>;
  /** The services to scale. Default: all services of the manager. */
  readonly services?: readonly string[];
  /** Milliseconds between evaluations. Default 10,000. */
  readonly interval?: number;
  /** Milliseconds that an instance may take to answer. Default 2000. */
  readonly sampleTimeout?: number;
  /** Called with each failure. The loop continues. */
  readonly onError?: (error: Error, service: string) => unknown;
  /** The clock. Default `monotonicClock`. */
  readonly clock?: Clock;
  /** Epoch milliseconds, for the end of holds. Default `wallClock`. */
  readonly calendar?: Clock;
}

/** The report of an instance: its figures, and its demand on the services that it calls. */
export interface InstanceReport extends InstanceSample {
  readonly demand?: Readonly<Record<string, readonly CallerDemand[]>>;
}

const WHO = 'ScalingLoop';

/**
 * Collects the figures of all instances at an interval, evaluates the policies, and scales the services accordingly.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { AutoScalingDecisionEngine, HorizontalScalingManager, ScalingLoop, type InstanceReport } from '@tooloo/resilience';
 *
 * const loop = new ScalingLoop({
 *   engine: new AutoScalingDecisionEngine(),
 *   manager: new HorizontalScalingManager(),
 *   sample: async ({ host, port }, signal) =>
 *     (await fetch(`http://${host}:${port}/load`, { signal })).json() as Promise<InstanceReport>,
 * });
 * loop.start();
 */
export class ScalingLoop {
  readonly #engine: AutoScalingDecisionEngine;
  readonly #manager: HorizontalScalingManager;
  readonly #sample: ScalingLoopOptions['sample'];
  readonly #demand: ScalingLoopOptions['demand'];
  readonly #chosen: readonly string[] | undefined;
  readonly #interval: number;
  readonly #sampleTimeout: number;
  readonly #onError: ScalingLoopOptions['onError'];
  readonly #clock: Clock;
  readonly #holds: ScalingHolds;
  /** The instances reported to the engine, and whether as ready, by service. */
  readonly #reported = new Map<string, ReadonlyMap<string, boolean>>();
  #timer: Timer | undefined;
  #ticking: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ScalingLoopOptions) {
    const checked = checkOptions(WHO, options, {
      engine: having('an AutoScalingDecisionEngine', 'recordMetrics', 'evaluateScaling', 'explain'),
      manager: having('a HorizontalScalingManager', 'scaleUp', 'scaleDown', 'getInstanceDetails'),
      sample: func,
      demand: func,
      services: arrayOf(string),
      interval: positive,
      sampleTimeout: positive,
      onError: func,
      clock: clockCheck,
      calendar: clockCheck,
    });
    for (const name of ['engine', 'manager', 'sample'] as const)
      if (checked[name] === undefined) throw new TypeError(`${WHO}: option '${name}' is missing`);
    this.#engine = checked.engine;
    this.#manager = checked.manager;
    this.#sample = checked.sample;
    this.#demand = checked.demand;
    this.#chosen = checked.services;
    this.#interval = checked.interval ?? 10_000;
    this.#sampleTimeout = checked.sampleTimeout ?? 2000;
    this.#onError = checked.onError;
    this.#clock = checked.clock ?? monotonicClock;
    this.#holds = new ScalingHolds(checked.calendar);
  }

  /** Milliseconds between evaluations. */
  get interval(): number {
    return this.#interval;
  }

  /** The services that are scaled. */
  get services(): readonly string[] {
    return this.#chosen ?? this.#manager.services;
  }

  /** Starts the loop. The first evaluation comes after one interval. The timer does not keep the process running. */
  start(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = startTimer(
      this.#clock,
      () => {
        this.#timer = undefined;
        void this.tick().then(() => this.start());
      },
      this.#interval,
    );
  }

  /**
   * Holds the number of instances of a service, for example after it was set by hand.
   *
   * @param duration milliseconds; default: until `release`
   */
  hold(service: string, duration?: number): void {
    if (duration !== undefined) checkValue(`${WHO}.hold: duration`, duration, positive);
    this.#holds.hold(service, duration ?? null);
  }

  /** Scales a service again. Returns whether it was held. */
  release(service: string): boolean {
    return this.#holds.release(service);
  }

  /** Why a service is held; undefined if it is scaled automatically. */
  holdOf(service: string): ScalingHold | undefined {
    return this.#holds.of(service);
  }

  /** Runs one evaluation. Settles when all decisions are made, not when they are carried out. Never rejects. */
  tick(): Promise<void> {
    this.#ticking ??= this.#look().finally(() => (this.#ticking = undefined));
    return this.#ticking;
  }

  /** Stops the loop. Commands that were given continue. Settles when the current evaluation is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#ticking;
  }

  async #look(): Promise<void> {
    await this.#manager.refresh().catch((error: unknown) => this.#failed(error, ''));
    await Promise.all(this.services.map((service) => this.#ask(service)));
    if (this.#demand !== undefined) this.#takeDemand(this.#demand(), 'gateway');
    if (!this.#isClosed) for (const service of this.services) this.#decide(service);
  }

  async #ask(service: string): Promise<void> {
    const present = this.#manager
      .getInstanceDetails(service)
      .filter(({ state }) => state === 'ready' || state === 'starting' || state === 'waiting');
    const reported = this.#reported.get(service);
    const known = new Map(present.map(({ id, state }) => [id, state === 'ready']));
    for (const id of reported?.keys() ?? []) if (!known.has(id)) this.#engine.removeInstance(service, id);
    for (const [instance, ready] of known)
      // An instance that is ready but never answers must be reported once, because the engine can only miss an instance
      // that it knows.
      if (!ready || reported?.get(instance) !== true) this.#engine.recordMetrics(service, { instance, ready });
    this.#reported.set(service, known);
    await Promise.all(present.filter(({ state }) => state === 'ready').map((one) => this.#askOne(service, one)));
  }

  async #askOne(service: string, instance: InstanceDetails): Promise<void> {
    const before = this.#manager.usageOf(instance.id);
    const asked = this.#clock.now();
    const aborted = new AbortController();
    const deadline = startTimer(this.#clock, () => aborted.abort(new Error('no answer in time')), this.#sampleTimeout);
    try {
      const late = new Promise<never>((_, reject) => {
        aborted.signal.addEventListener('abort', () => reject(aborted.signal.reason as Error), { once: true });
      });
      const { demand = {}, ...figures } = await Promise.race([this.#sample(instance, aborted.signal), late]);
      this.#engine.recordMetrics(service, { ...figures, instance: instance.id, ready: true });
      this.#takeDemand(demand, instance.id);
    } catch (error) {
      if (aborted.signal.aborted) this.#silent(service, instance, before, asked);
      this.#failed(error, service);
    } finally {
      deadline.cancel();
    }
  }

  /** There was no answer in time. The system and the callers show whether the instance is overloaded. */
  #silent(service: string, { id }: InstanceDetails, before: ProcessUsage | undefined, asked: number): void {
    const after = this.#manager.usageOf(id);
    const elapsed = this.#clock.now() - asked;
    const cpu =
      before === undefined || after === undefined || elapsed <= 0
        ? undefined
        : Math.min(100, (100 * (after.busy - before.busy)) / elapsed);
    this.#engine.recordMetrics(service, { instance: id, ready: true, silent: true, cpu });
  }

  #takeDemand(demand: NonNullable<InstanceReport['demand']>, caller: string): void {
    for (const [service, reports] of Object.entries(demand))
      if (this.services.includes(service))
        this.#engine.recordDemand(
          service,
          reports.map((one) => ({ caller, ...one })),
        );
  }

  /**
   * Skips a service while a command on it runs, because the change would be decided twice. It also skips a held
   * service.
   */
  #decide(service: string): void {
    if (this.#manager.isBusy(service) || this.#holds.of(service) !== undefined) return;
    const action = this.#engine.evaluateScaling(service);
    const decision = this.#engine.explain(service);
    if (action === 'HOLD' || decision === undefined) return;
    const { desired, reason } = decision;
    // An instance that the engine no longer knows still runs. The manager knows the actual number.
    const change = desired - this.#manager.getInstanceCount(service);
    if (change === 0 || change > 0 !== (action === 'SCALE_UP')) return;
    const order =
      change > 0
        ? this.#manager.scaleUp(service, change, { reason })
        : this.#manager.scaleDown(service, -change, { reason });
    void order.catch((error: unknown) => this.#failed(error, service));
  }

  #failed(error: unknown, service: string): void {
    if (this.#onError !== undefined) callGuarded(`${WHO}: onError`, this.#onError, asError(error), service);
  }
}
