/**
 * Keeps one instance running: it restarts an ended instance, waits longer after each failure, and gives up after
 * repeated failures.
 */
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf, ResilienceError } from '../shared/errors.js';
import { Listeners } from '../shared/listeners.js';
import { checkOptions, clock as clockCheck, func, having, object, type OptionChecks } from '../shared/options.js';
import type { InstanceSpec, RunningInstance, ScalingDriver } from './driver.js';
import { describeExit } from './process-driver.js';
import { RestartBudget, type RestartPolicy } from './restart-budget.js';

/** The state of an instance. */
export type SupervisedState =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting' }
  | { readonly state: 'ready'; readonly instance: RunningInstance }
  | { readonly state: 'waiting'; readonly reason: string; readonly delay: number }
  | { readonly state: 'failed'; readonly reason: string }
  /** Has the instance while it still finishes its work. */
  | { readonly state: 'stopping'; readonly instance?: RunningInstance };

/** The instance to run, and the reaction when it ends by itself. */
export interface InstanceSupervisorOptions {
  readonly driver: ScalingDriver;
  readonly spec: InstanceSpec;
  readonly restart?: RestartPolicy;
  /**
   * Called when a draining stop begins. Settles when no caller sends requests to the instance, so that it may end. The
   * signal aborts if there is no time to wait.
   */
  readonly drain?: (instance: RunningInstance, signal: AbortSignal) => Promise<void>;
  /** The clock. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** How to stop an instance. */
export interface StopOptions {
  /** Lets callers stop sending requests first. Default false. */
  readonly drain?: boolean;
  /** Milliseconds for a graceful stop. Default: the driver's own time. */
  readonly timeout?: number;
}

const CHECKS: OptionChecks<InstanceSupervisorOptions> = {
  driver: having('a scaling driver', 'start', 'stop'),
  spec: object('an instance spec'),
  restart: object('a restart policy'),
  drain: func,
  clock: clockCheck,
};

/**
 * Supervises one instance. Listeners of `onChange` are called with each new state.
 *
 * @example
 * import { childProcesses, InstanceSupervisor } from '@tooloo/resilience';
 *
 * const supervisor = new InstanceSupervisor({
 *   driver: childProcesses(),
 *   spec: { service: 'billing', id: 'billing-1', port: 0 },
 * });
 * supervisor.onChange(({ state }) => console.log(state));
 * await supervisor.start();
 */
export class InstanceSupervisor {
  readonly spec: InstanceSpec;
  readonly #driver: ScalingDriver;
  readonly #clock: Clock;
  readonly #drain: InstanceSupervisorOptions['drain'];
  readonly #budget: RestartBudget;
  readonly #listeners = new Listeners<[state: SupervisedState]>('InstanceSupervisor.onChange');
  #state: SupervisedState = { state: 'stopped' };
  #restarts = 0;
  #timer: Timer | undefined;
  /** Increases with each start and stop, so that work from an earlier start or stop can detect that it is outdated. */
  #generation = 0;
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> = Promise.resolve();
  #abort = new AbortController();
  /** Why the instance is being killed, while it is. */
  #verdict: string | undefined;

  constructor(options: InstanceSupervisorOptions) {
    const {
      driver,
      spec,
      restart,
      drain,
      clock = monotonicClock,
    } = checkOptions('InstanceSupervisor', options, CHECKS);
    this.#driver = driver;
    this.#drain = drain;
    this.spec = spec;
    this.#clock = clock;
    this.#budget = new RestartBudget('InstanceSupervisor: restart', restart);
  }

  get current(): SupervisedState {
    return this.#state;
  }

  /** Number of restarts after the instance ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Calls the listener on each change of state. Returns a function that ends this. */
  onChange(listener: (state: SupervisedState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Starts the instance and keeps it running. Also restarts a `failed` one. Settles after the first attempt, even if it
   * failed: check `current`.
   */
  async start(): Promise<void> {
    const { state } = this.#state;
    if (state === 'starting' || state === 'ready') return this.#starting;
    if (state === 'stopping') throw new ResilienceError('CONFLICT', `${this.spec.id} is stopping`);
    this.#timer?.cancel();
    this.#budget.reset();
    return this.#attempt(++this.#generation);
  }

  /**
   * Starts the instance once, and keeps it running if the start succeeded.
   *
   * @throws the error of the driver; the instance is then stopped and not retried
   */
  async startOnce(): Promise<void> {
    const generation = ++this.#generation;
    const started = this.#launch();
    this.#starting = started.then(
      () => {},
      () => {},
    );
    try {
      await this.#onReady(await started, generation);
    } catch (error) {
      if (generation === this.#generation) this.#enter({ state: 'stopped' });
      throw error;
    }
    if (generation !== this.#generation)
      throw new ResilienceError('START_FAILED', `${this.spec.id} was stopped while it started`);
  }

  /** Supervises an instance that already runs. */
  async adopt(instance: RunningInstance): Promise<void> {
    this.#abort = new AbortController();
    await this.#onReady(instance, ++this.#generation);
  }

  /** Stops a ready instance at once and restarts it, as if it had ended by itself. */
  async replace(reason: string): Promise<void> {
    if (this.#state.state !== 'ready') return;
    this.#verdict = reason;
    await this.#driver.stop(this.#state.instance, 0);
  }

  /** Stops the instance for good. Settles when it has ended. */
  stop(options: StopOptions = {}): Promise<void> {
    const { state } = this.#state;
    if (state === 'stopped') return Promise.resolve();
    if (options.drain !== true) this.#abort.abort();
    if (state !== 'stopping') this.#stopping = this.#stop(options);
    return this.#stopping;
  }

  async #stop({ drain = false, timeout }: StopOptions): Promise<void> {
    this.#generation++;
    this.#timer?.cancel();
    const { current } = this;
    this.#enter({ state: 'stopping', ...(current.state === 'ready' && { instance: current.instance }) });
    if (current.state === 'starting') {
      this.#abort.abort();
      await this.#starting;
    } else if (current.state === 'ready') {
      if (drain) await this.#drain?.(current.instance, this.#abort.signal);
      await this.#driver.stop(current.instance, timeout);
    }
    this.#enter({ state: 'stopped' });
  }

  #attempt(generation: number): Promise<void> {
    this.#starting = this.#launch().then(
      (instance) => this.#onReady(instance, generation),
      (error: unknown) => this.#onFailure(messageOf(error), isPermanent(error), generation),
    );
    return this.#starting;
  }

  #launch(): Promise<RunningInstance> {
    this.#enter({ state: 'starting' });
    this.#abort = new AbortController();
    return this.#driver.start(this.spec, this.#abort.signal);
  }

  async #onReady(instance: RunningInstance, generation: number): Promise<void> {
    if (generation !== this.#generation) return this.#driver.stop(instance);
    void instance.exited.then((exit) => {
      const reason = this.#verdict ?? describeExit(exit);
      this.#verdict = undefined;
      this.#onFailure(`${this.spec.id}: ${reason}`, false, generation);
    });
    this.#enter({ state: 'ready', instance });
  }

  #onFailure(reason: string, permanent: boolean, generation: number): void {
    if (generation !== this.#generation) return;
    if (permanent) return this.#enter({ state: 'failed', reason });
    const delay = this.#budget.failed(this.#clock.now());
    if (delay === undefined) return this.#enter({ state: 'failed', reason: `${reason}; ${this.#budget.exhausted}` });
    this.#enter({ state: 'waiting', reason, delay });
    this.#timer = startTimer(
      this.#clock,
      () => {
        this.#restarts++;
        void this.#attempt(generation);
      },
      delay,
    );
  }

  #enter(state: SupervisedState): void {
    this.#state = state;
    this.#listeners.emit(state);
  }
}

function isPermanent(error: unknown): boolean {
  return ResilienceError.is(error) && error.extensions['permanent'] === true;
}
