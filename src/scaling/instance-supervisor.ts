/**
 * Keeps one instance running: starts it, starts it again when it ends, waits longer after each failure, and gives up
 * loudly when it keeps failing.
 */
import { monotonicClock, startTimer, type Clock, type Timer } from '../shared/clock.js';
import { messageOf, ResilienceError } from '../shared/errors.js';
import { Listeners } from '../shared/listeners.js';
import { checkOptions, clock as clockCheck, func, having, object, type OptionChecks } from '../shared/options.js';
import type { InstanceSpec, RunningInstance, ScalingDriver } from './driver.js';
import { describeExit } from './process-driver.js';
import { RestartBudget, type RestartPolicy } from './restart-budget.js';

/** What an instance is at. */
export type SupervisedState =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting' }
  | { readonly state: 'ready'; readonly instance: RunningInstance }
  | { readonly state: 'waiting'; readonly reason: string; readonly delay: number }
  | { readonly state: 'failed'; readonly reason: string }
  /** With the instance, while it still finishes what it has begun. */
  | { readonly state: 'stopping'; readonly instance?: RunningInstance };

/** What is run, and what happens when it ends by itself. */
export interface InstanceSupervisorOptions {
  readonly driver: ScalingDriver;
  readonly spec: InstanceSpec;
  readonly restart?: RestartPolicy;
  /**
   * Called when a draining stop begins: settles when the instance may be told to end, because nobody sends it anything
   * any more. Heeds the signal, which aborts when there is no time for it.
   */
  readonly drain?: (instance: RunningInstance, signal: AbortSignal) => Promise<void>;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** How an instance is ended. */
export interface StopOptions {
  /** Lets those who send it requests turn away first. Default false. */
  readonly drain?: boolean;
  /** Milliseconds it has to end in order; the driver's own unless told. */
  readonly timeout?: number;
}

const CHECKS: OptionChecks<InstanceSupervisorOptions> = {
  driver: having('a scaling driver', 'start', 'stop'),
  spec: object('an instance spec'),
  restart: object('a restart policy'),
  drain: func,
  clock: clockCheck,
};

/** Supervises one instance. States change as `onChange` tells; each listener is called with the new state. */
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
  /** Grows with every start and stop: what an earlier one set going finds that it is no longer asked for. */
  #generation = 0;
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> = Promise.resolve();
  #abort = new AbortController();
  /** Why it is ended by force, while it is. */
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

  /** How often the instance was started again after it had ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Calls back on every change of state, until the returned function is called. */
  onChange(listener: (state: SupervisedState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Starts the instance and keeps it running from then on. Also the way out of `failed`. Settles after the first
   * attempt, whatever came of it: look at `current`.
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
   * Starts the instance once, and keeps it running if that went well.
   *
   * @throws what the driver threw; it is stopped then, and nothing is tried again
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

  /** Keeps an instance running that runs already. */
  async adopt(instance: RunningInstance): Promise<void> {
    this.#abort = new AbortController();
    await this.#onReady(instance, ++this.#generation);
  }

  /** Ends a ready instance at once, to be started again as one that ended by itself. */
  async replace(reason: string): Promise<void> {
    if (this.#state.state !== 'ready') return;
    this.#verdict = reason;
    await this.#driver.stop(this.#state.instance, 0);
  }

  /** Stops the instance, and stays stopped. Settles when it is gone. */
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
