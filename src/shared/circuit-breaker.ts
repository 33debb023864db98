/**
 * Stops calling what keeps failing, and finds out with a few bounded probes when it is back. A call holds a permit of
 * the generation it began in; what belongs to an earlier generation says nothing about the present one.
 */
import { monotonicClock, type Clock } from './clock.js';
import { ResilienceError, type ErrorCode } from './errors.js';
import { Listeners } from './listeners.js';
import { checkOptions, clock as clockCheck, count, func, milliseconds, object, string } from './options.js';
import { ConsecutiveFailures, ErrorRate, anyPolicy, type ErrorRateOptions, type TripPolicy } from './trip-policies.js';

/** `closed`: calls pass. `open`: none does. `half-open`: a few probe. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** How a call went. `ignored`: it says nothing about the other side (cancelled by the caller, shed on this side). */
export type Outcome = 'success' | 'failure' | 'ignored';

/** The right to make one call. `end` counts once; later calls do nothing. */
export interface Permit {
  end(outcome: Outcome): void;
}

/** When the circuit opens, and how it closes again. */
export interface CircuitBreakerOptions {
  /** Names the circuit in errors. Default 'circuit'. */
  readonly name?: string;
  /** Failures in a row that open it. Default 5; Infinity leaves it to `errorRate`. */
  readonly failureThreshold?: number;
  /** Also opens on a share of failures over a time. Default: off. */
  readonly errorRate?: ErrorRateOptions;
  /** Milliseconds it stays open before the first probe; grows by as much each time probing fails. Default 30 000. */
  readonly openDuration?: number;
  /** Milliseconds `openDuration` grows to. Default ten times `openDuration`. */
  readonly maxOpenDuration?: number;
  /** Calls let through at once while half-open. Default 1. */
  readonly probes?: number;
  /** Successful probes that close it. Default 1. */
  readonly successThreshold?: number;
  /** Milliseconds after which a probe without an outcome is a failed one. Default 10 000. */
  readonly probeTimeout?: number;
  /**
   * For `execute`: whether a thrown error is the other side's failure; if not, the call is ignored. Default: anything
   * but an `AbortError` and this kit's own refusals (circuit open, queue full, quota, shutting down).
   */
  readonly isFailure?: (error: unknown) => boolean;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

type State =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly until: number }
  | { readonly kind: 'half-open'; readonly probes: Set<BreakerPermit>; successes: number };

/** Refusals made on this side: the other was never asked, so they are no evidence against it. */
const OWN_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CIRCUIT_OPEN',
  'QUEUE_FULL',
  'CONCURRENCY_EXCEEDED',
  'QUOTA_EXCEEDED',
  'COST_ABOVE_CAPACITY',
  'ACQUIRE_TIMEOUT',
  'POOL_TIMEOUT',
  'NO_TARGET_AVAILABLE',
  'SHUTTING_DOWN',
  'CLIENT_CLOSED_REQUEST',
]);

function isFailureByDefault(error: unknown): boolean {
  if (ResilienceError.is(error)) return !OWN_REFUSALS.has(error.code);
  return (error as { name?: unknown } | null | undefined)?.name !== 'AbortError'; // a DOMException in every realm
}

class BreakerPermit implements Permit {
  readonly generation: number;
  /** When the call, as a probe, is given up on. */
  readonly deadline: number;
  #settle: ((permit: BreakerPermit, outcome: Outcome) => void) | undefined;

  constructor(generation: number, deadline: number, settle: (permit: BreakerPermit, outcome: Outcome) => void) {
    this.generation = generation;
    this.deadline = deadline;
    this.#settle = settle;
  }

  end(outcome: Outcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(this, outcome);
  }
}

/**
 * A circuit breaker. Holds no timer: time is looked at when a call is tried or the state is read, so there is nothing
 * to close.
 *
 * @throws TypeError or RangeError for a wrong option
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
  readonly #clock: Clock;
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
      clock: clockCheck,
    });
    this.name = checked.name ?? 'circuit';
    const consecutive = new ConsecutiveFailures(checked.failureThreshold ?? 5);
    this.#policy = checked.errorRate ? anyPolicy([consecutive, new ErrorRate(checked.errorRate)]) : consecutive;
    this.#openDuration = checked.openDuration ?? 30_000;
    this.#maxOpenDuration = Math.max(this.#openDuration, checked.maxOpenDuration ?? 10 * this.#openDuration);
    this.#maxProbes = checked.probes ?? 1;
    this.#successThreshold = checked.successThreshold ?? 1;
    this.#probeTimeout = checked.probeTimeout ?? 10_000;
    this.#isFailure = checked.isFailure ?? isFailureByDefault;
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
    const now = this.#clock.now();
    this.#advance(now);
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return new BreakerPermit(this.#generation, Infinity, this.#settle);
      case 'open':
        return undefined;
      case 'half-open': {
        if (state.probes.size >= this.#maxProbes) return undefined;
        const probe = new BreakerPermit(this.#generation, now + this.#probeTimeout, this.#settle);
        state.probes.add(probe);
        return probe;
      }
    }
  }

  /**
   * Calls `fn` under a permit and passes its result or error on.
   *
   * @throws ResilienceError CIRCUIT_OPEN, `fn` not called, while there is no permit
   */
  async execute<T>(fn: () => T | Promise<T>): Promise<T> {
    const permit = this.tryAcquire();
    if (permit === undefined) throw this.openError();
    try {
      const result = await fn();
      permit.end('success');
      return result;
    } catch (error) {
      permit.end(this.#judge(error));
      throw error;
    }
  }

  /** The error of a call refused now; `retryAfter` says when another is worth trying. */
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

  /** Opens it now, as if the policy had said so. */
  trip(): void {
    this.#open(this.#clock.now());
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
    this.#advance(now); // a probe past its deadline has failed already, whatever it says now
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
    const duration = Math.min(this.#openDuration * this.#openings, this.#maxOpenDuration);
    this.#enter({ kind: 'open', until: at + duration });
  }

  #enter(state: State): void {
    const previous = this.#state.kind;
    this.#state = state;
    this.#generation++;
    if (state.kind !== previous) this.#listeners.emit(state.kind, previous);
  }
}
