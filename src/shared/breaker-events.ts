/** The counters and events of a circuit breaker. */
import { Listeners } from './listeners.js';

/** Calls of a circuit since it was made. */
export interface CircuitBreakerStats {
  /** Calls that ended: the sum of `successes`, `failures` (`timeouts` among them) and `ignored`. */
  readonly calls: number;
  readonly successes: number;
  readonly failures: number;
  /** Failures that were calls of `execute` beyond `timeout`. */
  readonly timeouts: number;
  /** Calls that say nothing about the other side, e.g. those that the caller cancelled. */
  readonly ignored: number;
  /** Calls that were not made, because the circuit was open. */
  readonly rejected: number;
  /** Calls of `execute` that `fallback` answered. */
  readonly fallbacks: number;
  /** How often the circuit opened. */
  readonly openings: number;
}

/** The events of a circuit, and the arguments of their listeners. `execute` emits `success` to `fallback`. */
export interface CircuitBreakerEvents {
  /** Milliseconds the call took. */
  success: [latency: number];
  failure: [error: unknown, latency: number];
  timeout: [error: unknown, latency: number];
  ignored: [error: unknown, latency: number];
  reject: [error: unknown];
  fallback: [error: unknown];
  open: [];
  halfOpen: [];
  close: [];
}

/** The name of an event. */
export type CircuitBreakerEvent = keyof CircuitBreakerEvents;

const EVENTS: ReadonlySet<string> = new Set<CircuitBreakerEvent>([
  'success',
  'failure',
  'timeout',
  'ignored',
  'reject',
  'fallback',
  'open',
  'halfOpen',
  'close',
]);

export class BreakerEvents {
  successes = 0;
  failures = 0;
  timeouts = 0;
  ignored = 0;
  rejected = 0;
  fallbacks = 0;
  openings = 0;
  readonly #listeners = new Map<string, Listeners<readonly unknown[]>>();

  on<E extends CircuitBreakerEvent>(event: E, listener: (...args: CircuitBreakerEvents[E]) => unknown): () => void {
    if (!EVENTS.has(event)) {
      throw new RangeError(`CircuitBreaker.on: expected one of ${[...EVENTS].join(', ')}, got '${String(event)}'`);
    }
    let listeners = this.#listeners.get(event);
    if (listeners === undefined) {
      this.#listeners.set(event, (listeners = new Listeners(`CircuitBreaker.on('${event}')`)));
    }
    return listeners.add(listener as (...args: readonly unknown[]) => unknown);
  }

  emit<E extends CircuitBreakerEvent>(event: E, ...args: CircuitBreakerEvents[E]): void {
    this.#listeners.get(event)?.emit(...args);
  }

  stats(): CircuitBreakerStats {
    const { successes, failures, timeouts, ignored, rejected, fallbacks, openings } = this;
    const calls = successes + failures + ignored;
    return { calls, successes, failures, timeouts, ignored, rejected, fallbacks, openings };
  }
}
