/**
 * Stops calls to a service that keeps failing, and detects its recovery with a few bounded probes. A call holds a
 * permit of the generation in which it began. Calls of an earlier generation do not count in the present one.
 */
import {
  BreakerEvents,
  type CircuitBreakerEvent,
  type CircuitBreakerEvents,
  type CircuitBreakerStats,
} from './breaker-events.js';
import { BreakerPermit, type Outcome, type Permit } from './breaker-permit.js';
import { isFailureByDefault, type CircuitBreakerOptions, type ExecuteOptions } from './circuit-options.js';
import { monotonicClock, type Clock } from './clock.js';
import { ResilienceError } from './errors.js';
import { Listeners } from './listeners.js';
import { checkOptions, clock as clockCheck, count, func, milliseconds, object, positive, string } from './options.js';
import { callWithin } from './timed-call.js';
import { ConsecutiveFailures, ErrorRate, anyPolicy, type TripPolicy } from './trip-policies.js';

export type { Outcome, Permit } from './breaker-permit.js';
export type { CircuitBreakerOptions, ExecuteOptions } from './circuit-options.js';
export type { CircuitBreakerEvent, CircuitBreakerEvents, CircuitBreakerStats } from './breaker-events.js';

/** `closed`: calls pass. `open`: no call passes. `half-open`: a few calls probe. */
export type CircuitState = 'closed' | 'open' | 'half-open';

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number }
  | { readonly kind: 'half-open'; readonly probes: Set<BreakerPermit>; successes: number };

const EVENT_OF = { closed: 'close', open: 'open', 'half-open': 'halfOpen' } as const;

/**
 * A circuit breaker. Holds no timer: time is looked at when a call is tried or the state is read, so there is nothing
 * to close.
 *
 * @throws TypeError or RangeError for a wrong option
 *
 * @example
 * import { CircuitBreaker } from '@tooloo/resilience';
 *
 * const breaker = new CircuitBreaker({ name: 'billing', failureThreshold: 5, openDuration: 10_000 });
 * const response = await breaker.execute((signal) => fetch('http://billing:3000/prices', { signal }));
 */
export class CircuitBreaker {
  readonly name: string;
  readonly #policy: TripPolicy;
  readonly #openDuration: number;
  readonly #maxOpenDuration: number;
  readonly #maxProbes: number;
  readonly #successThreshold: number;
  readonly #probeTimeout: number;
  readonly #isFailure: (error: unknown) => boolean;
  readonly #timeout: number;
  readonly #fallback: ((error: unknown) => unknown) | undefined;
  readonly #clock: Clock;
  readonly #events = new BreakerEvents();
  readonly #listeners = new Listeners<[state: CircuitState, previous: CircuitState]>('CircuitBreaker.onStateChange');
  readonly #settle = (permit: BreakerPermit, outcome: Outcome): void => this.#end(permit, outcome);
  #state: State = { kind: 'closed' };
  #generation = 0;
  /** Openings since it was last closed. */
  #openings = 0;

  constructor(options?: CircuitBreakerOptions) {
    const checked = checkOptions('CircuitBreaker', options, {
      name: string,
      failureThreshold: count(),
      errorRate: object('{ threshold, window, minimum }'),
      openDuration: milliseconds,
      maxOpenDuration: milliseconds,
      probes: count(),
      successThreshold: count(),
      probeTimeout: milliseconds,
      isFailure: func,
      timeout: positive,
      fallback: func,
      clock: clockCheck,
    });
    this.name = checked.name ?? 'circuit';
    const consecutive = new ConsecutiveFailures(checked.failureThreshold ?? (checked.errorRate ? Infinity : 5));
    this.#policy = checked.errorRate ? anyPolicy([consecutive, new ErrorRate(checked.errorRate)]) : consecutive;
    this.#openDuration = checked.openDuration ?? 30_000;
    this.#maxOpenDuration = Math.max(this.#openDuration, checked.maxOpenDuration ?? 10 * this.#openDuration);
    this.#maxProbes = checked.probes ?? 1;
    this.#successThreshold = checked.successThreshold ?? 1;
    this.#probeTimeout = checked.probeTimeout ?? 10_000;
    this.#isFailure = checked.isFailure ?? isFailureByDefault;
    this.#timeout = checked.timeout ?? Infinity;
    this.#fallback = checked.fallback;
    this.#clock = checked.clock ?? monotonicClock;
  }

  get state(): CircuitState {
    this.#advance(this.#clock.now());
    return this.#state.kind;
  }

  /** Milliseconds until a call may be tried again; 0 unless open. */
  get retryAfter(): number {
    const now = this.#clock.now();
    this.#advance(now);
    return this.#state.kind === 'open' ? this.#state.until - now : 0;
  }

  /** The right to call once, or undefined while the circuit is open or its probes are all in flight. End it always. */
  tryAcquire(): Permit | undefined {
    // Closed is the usual state, and time alone does not change it.
    if (this.#state.kind === 'closed') return new BreakerPermit(this.#generation, Infinity, this.#settle);
    const now = this.#clock.now();
    this.#advance(now);
    const state = this.#state;
    if (state.kind !== 'half-open' || state.probes.size >= this.#maxProbes) return this.#refuse();
    const probe = new BreakerPermit(this.#generation, now + this.#probeTimeout, this.#settle);
    state.probes.add(probe);
    return probe;
  }

  /**
   * Calls `fn` under a permit and passes on its result or error, or the result of `fallback` instead of an error.
   *
   * @param fn gets a signal that aborts with the caller's own and on the timeout
   * @throws ResilienceError CIRCUIT_OPEN, without a call of `fn`, if there is no permit; UPSTREAM_TIMEOUT beyond
   * `timeout`
   */
  async execute<T>(fn: (signal: AbortSignal) => T | Promise<T>, options: ExecuteOptions<T> = {}): Promise<T> {
    const { signal, timeout = this.#timeout, fallback = this.#fallback as ExecuteOptions<T>['fallback'] } = options;
    const permit = this.tryAcquire();
    if (permit === undefined) {
      const refusal = this.openError();
      this.#events.emit('reject', refusal);
      return this.#answer(refusal, fallback);
    }
    const start = this.#clock.now();
    let timedOut: Error | undefined;
    const expired = (): Error =>
      (timedOut = new ResilienceError('UPSTREAM_TIMEOUT', `${this.name}: no answer within ${timeout} ms`));
    try {
      const result = await callWithin(fn, { clock: this.#clock, timeout, signal, expired });
      permit.end('success');
      this.#events.emit('success', this.#clock.now() - start);
      return result;
    } catch (error) {
      const latency = this.#clock.now() - start;
      const isTimeout = error === timedOut;
      const outcome = isTimeout ? 'failure' : signal?.aborted === true ? 'ignored' : this.#judge(error);
      if (isTimeout) this.#events.timeouts++;
      permit.end(outcome);
      this.#events.emit(isTimeout ? 'timeout' : outcome === 'failure' ? 'failure' : 'ignored', error, latency);
      if (outcome === 'ignored') throw error;
      return this.#answer(error, fallback);
    }
  }

  #answer<T>(error: unknown, fallback: ExecuteOptions<T>['fallback']): T | Promise<T> {
    if (fallback === undefined) throw error;
    this.#events.fallbacks++;
    this.#events.emit('fallback', error);
    return fallback(error);
  }

  /** Counts of the calls since its creation. */
  getStats(): CircuitBreakerStats {
    return this.#events.stats();
  }

  /** Calls back on an event. Returns what ends the subscription. */
  on<E extends CircuitBreakerEvent>(event: E, listener: (...args: CircuitBreakerEvents[E]) => unknown): () => void {
    return this.#events.on(event, listener);
  }

  /** The error of a call that is rejected now; `retryAfter` is the time until another is worth trying. */
  openError(): ResilienceError {
    return new ResilienceError('CIRCUIT_OPEN', `${this.name}: the circuit is ${this.state}, the call was not made`, {
      retryAfter: this.retryAfter / 1000,
    });
  }

  /** Calls back on every change of state. Returns what ends the subscription. */
  onStateChange(callback: (state: CircuitState, previous: CircuitState) => unknown): () => void {
    return this.#listeners.add(callback);
  }

  /** Closes it now and forgets every failure; calls in flight no longer count. */
  reset(): void {
    this.#policy.reset();
    this.#openings = 0;
    this.#generation++;
    if (this.#state.kind !== 'closed') this.#enter({ kind: 'closed' });
  }

  /** Opens the circuit now, as if the policy had decided it. */
  trip(): void {
    this.#open(this.#clock.now());
  }

  #refuse(): undefined {
    this.#events.rejected++;
  }

  #count(outcome: Outcome): void {
    if (outcome === 'success') this.#events.successes++;
    else if (outcome === 'failure') this.#events.failures++;
    else this.#events.ignored++;
  }

  #judge(error: unknown): Outcome {
    try {
      return this.#isFailure(error) ? 'failure' : 'ignored';
    } catch {
      return 'failure'; // a broken judge must not leave the permit open
    }
  }

  #end(permit: BreakerPermit, outcome: Outcome): void {
    const now = this.#clock.now();
    this.#count(outcome);
    this.#advance(now); // a probe that has passed its deadline has failed already; its result is ignored
    if (permit.generation !== this.#generation) return;
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        if (outcome === 'success') this.#policy.succeeded(now);
        else if (outcome === 'failure' && this.#policy.failed(now)) this.#open(now);
        return;
      case 'open':
        return; // unreachable: an open circuit gives no permits of its generation
      case 'half-open':
        state.probes.delete(permit);
        if (outcome === 'failure') this.#open(now);
        else if (outcome === 'success' && ++state.successes >= this.#successThreshold) this.reset();
    }
  }

  /** Makes the transitions that time alone causes, each at the moment it was due. */
  #advance(now: number): void {
    for (;;) {
      const state = this.#state;
      switch (state.kind) {
        case 'closed':
          return;
        case 'open':
          if (now < state.until) return;
          this.#enter({ kind: 'half-open', probes: new Set(), successes: 0 });
          break;
        case 'half-open': {
          const [oldest] = state.probes; // insertion order is deadline order
          if (oldest === undefined || now < oldest.deadline) return;
          this.#open(oldest.deadline);
        }
      }
    }
  }

  #open(at: number): void {
    this.#openings++;
    this.#events.openings++;
    const duration = Math.min(this.#openDuration * this.#openings, this.#maxOpenDuration);
    this.#enter({ kind: 'open', until: at + duration });
  }

  #enter(state: State): void {
    const previous = this.#state.kind;
    this.#state = state;
    this.#generation++;
    if (state.kind === previous) return;
    this.#listeners.emit(state.kind, previous);
    this.#events.emit(EVENT_OF[state.kind]);
  }
}
