/** Closes the loop: asks the instances how they are, lets the engine decide, and has the manager act. */
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { asError } from '../shared/errors.js';
import { callGuarded } from '../shared/listeners.js';
import { arrayOf, checkOptions, clock as clockCheck, func, having, positive, string } from '../shared/options.js';
import type { AutoScalingDecisionEngine } from './auto-scaling-decision-engine.js';
import type { HorizontalScalingManager } from './horizontal-scaling-manager.js';
import type { InstanceDetails } from './instance-group.js';
import type { InstanceSample } from './metrics.js';

/** Where samples come from, who decides and who acts. */
export interface ScalingLoopOptions {
  readonly engine: AutoScalingDecisionEngine;
  readonly manager: HorizontalScalingManager;
  /** Asks a ready instance for its figures. One that rejects, or does not answer in time, is missing: never idle. */
  readonly sample: (instance: InstanceDetails, signal: AbortSignal) => Promise<InstanceSample>;
  /** The services to scale. Default: all that the manager has. */
  readonly services?: readonly string[];
  /** Milliseconds from one look to the next. Default 10,000. */
  readonly interval?: number;
  /** Milliseconds an instance may take to answer. Default 2000. */
  readonly sampleTimeout?: number;
  /** Told of what could not be done; the loop goes on. */
  readonly onError?: (error: Error, service: string) => unknown;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

const WHO = 'ScalingLoop';

/**
 * ```ts
 * const loop = new ScalingLoop({ engine, manager, sample: async ({ host, port }, signal) =>
 *   (await fetch(`http://${host}:${port}/load`, { signal })).json() });
 * loop.start();
 * ```
 *
 * @throws TypeError or RangeError for a wrong option
 */
export class ScalingLoop {
  readonly #engine: AutoScalingDecisionEngine;
  readonly #manager: HorizontalScalingManager;
  readonly #sample: ScalingLoopOptions['sample'];
  readonly #chosen: readonly string[] | undefined;
  readonly #interval: number;
  readonly #sampleTimeout: number;
  readonly #onError: ScalingLoopOptions['onError'];
  readonly #clock: Clock;
  /** Instances the engine was told of, and whether as ready, by service. */
  readonly #told = new Map<string, ReadonlyMap<string, boolean>>();
  #timer: Timer | undefined;
  #ticking: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: ScalingLoopOptions) {
    const checked = checkOptions(WHO, options, {
      engine: having('an AutoScalingDecisionEngine', 'recordMetrics', 'evaluateScaling', 'explain'),
      manager: having('a HorizontalScalingManager', 'scaleUp', 'scaleDown', 'getInstanceDetails'),
      sample: func,
      services: arrayOf(string),
      interval: positive,
      sampleTimeout: positive,
      onError: func,
      clock: clockCheck,
    });
    for (const name of ['engine', 'manager', 'sample'] as const)
      if (checked[name] === undefined) throw new TypeError(`${WHO}: option '${name}' is missing`);
    this.#engine = checked.engine;
    this.#manager = checked.manager;
    this.#sample = checked.sample;
    this.#chosen = checked.services;
    this.#interval = checked.interval ?? 10_000;
    this.#sampleTimeout = checked.sampleTimeout ?? 2000;
    this.#onError = checked.onError;
    this.#clock = checked.clock ?? monotonicClock;
  }

  /** Milliseconds from one look to the next. */
  get interval(): number {
    return this.#interval;
  }

  /** The services that are scaled. */
  get services(): readonly string[] {
    return this.#chosen ?? this.#manager.services;
  }

  /** Looks after one interval, and so on. Its timer keeps no process alive. */
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

  /** One look, and what follows from it: settles when all is decided, not when it is done. Never rejects. */
  tick(): Promise<void> {
    this.#ticking ??= this.#look().finally(() => (this.#ticking = undefined));
    return this.#ticking;
  }

  /** Ends the loop; what was ordered goes on. Settles when the look under way is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#ticking;
  }

  async #look(): Promise<void> {
    await this.#manager.refresh().catch((error: unknown) => this.#failed(error, ''));
    await Promise.all(this.services.map((service) => this.#ask(service)));
    if (!this.#isClosed) for (const service of this.services) this.#decide(service);
  }

  async #ask(service: string): Promise<void> {
    const present = this.#manager
      .getInstanceDetails(service)
      .filter(({ state }) => state === 'ready' || state === 'starting' || state === 'waiting');
    const told = this.#told.get(service);
    const known = new Map(present.map(({ id, state }) => [id, state === 'ready']));
    for (const id of told?.keys() ?? []) if (!known.has(id)) this.#engine.removeInstance(service, id);
    for (const [instance, ready] of known)
      // One that is ready now and never answers is missing too, which nobody can be who was not told of.
      if (!ready || told?.get(instance) !== true) this.#engine.recordMetrics(service, { instance, ready });
    this.#told.set(service, known);
    await Promise.all(present.filter(({ state }) => state === 'ready').map((one) => this.#askOne(service, one)));
  }

  async #askOne(service: string, instance: InstanceDetails): Promise<void> {
    const aborted = new AbortController();
    const deadline = startTimer(this.#clock, () => aborted.abort(new Error('no answer in time')), this.#sampleTimeout);
    try {
      const late = new Promise<never>((_, reject) => {
        aborted.signal.addEventListener('abort', () => reject(aborted.signal.reason as Error), { once: true });
      });
      const figures = await Promise.race([this.#sample(instance, aborted.signal), late]);
      this.#engine.recordMetrics(service, { ...figures, instance: instance.id, ready: true });
    } catch (error) {
      this.#failed(error, service);
    } finally {
      deadline.cancel();
    }
  }

  /** Not while a command runs: what it changes would be decided on twice. */
  #decide(service: string): void {
    if (this.#manager.isBusy(service)) return;
    const action = this.#engine.evaluateScaling(service);
    const decision = this.#engine.explain(service);
    if (action === 'HOLD' || decision === undefined) return;
    const { desired, reason } = decision;
    // What the engine has lost sight of runs all the same: the manager knows how many there are.
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
