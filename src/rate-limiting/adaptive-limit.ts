/**
 * Derives from the latency how many requests in flight a service can take. While latency stays near its best, the limit
 * grows by its square root. When requests queue up inside the service, it shrinks with the gradient of the two latencies,
 * as in Netflix' concurrency-limits and Envoy's adaptive concurrency.
 */
import type { Clock } from '../shared/clock.js';

/** Decides how many requests may be in flight. */
export interface InFlightLimit {
  readonly limit: number;
  /** A request ended: its duration in milliseconds, and how many had been in flight when it began. */
  record(duration: number, inFlight: number): void;
}

/** A limit that stays. */
export function fixedLimit(limit: number): InFlightLimit {
  return { limit, record: () => undefined };
}

const INITIAL = 20;
const LEAST = 4;
const MOST = 1_000;
const TOLERANCE = 1.25; // latency may rise by a quarter before it counts
const MIN_GRADIENT = 0.5;
const MAX_GRADIENT = 2;
const SMOOTHING = 0.2;
const WINDOW = 100; // ms at least between two changes
const SAMPLES = 10; // at least, of a change
const REMEASURE_AFTER = 30_000; // ms: a best latency that the service can no longer reach would throttle it forever

export class AdaptiveLimit implements InFlightLimit {
  readonly #clock: Clock;
  #limit = INITIAL;
  #best = Infinity;
  #bestSince = 0;
  #windowStart: number;
  #sum = 0;
  #samples = 0;
  #mostInFlight = 0;
  #remeasuring = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#windowStart = clock.now();
  }

  get limit(): number {
    return Math.round(this.#limit);
  }

  record(duration: number, inFlight: number): void {
    this.#sum += duration;
    this.#samples++;
    this.#mostInFlight = Math.max(this.#mostInFlight, inFlight);
    const now = this.#clock.now();
    if (this.#samples < SAMPLES || now - this.#windowStart < WINDOW) return;
    this.#update(this.#sum / this.#samples, this.#mostInFlight, now);
    this.#windowStart = now;
    this.#sum = 0;
    this.#samples = 0;
    this.#mostInFlight = 0;
  }

  #update(latency: number, inFlight: number, now: number): void {
    if (this.#remeasuring) {
      this.#remeasuring = false; // these were still sent under the old limit
      return;
    }
    if (latency <= this.#best) {
      this.#best = Math.max(latency, 0.001);
      this.#bestSince = now;
    } else if (now - this.#bestSince > REMEASURE_AFTER) {
      if (inFlight >= this.#limit / 2) return this.#remeasure(now);
      // With few in flight nothing queues up: this is the best of now, and no reason to let in fewer.
      this.#best = Math.max(latency, 0.001);
      this.#bestSince = now;
    }
    // A service that is not asked for what it may bear says nothing about whether it would bear more.
    if (inFlight < this.#limit / 2) return;
    const gradient = Math.min(
      MAX_GRADIENT,
      Math.max(MIN_GRADIENT, (TOLERANCE * this.#best) / Math.max(latency, 0.001)),
    );
    const wanted = gradient * this.#limit + Math.sqrt(this.#limit);
    this.#set(this.#limit + SMOOTHING * (wanted - this.#limit));
  }

  /** The best is measured anew with half as many in flight: at full load it would be that of a queue. */
  #remeasure(now: number): void {
    this.#set(this.#limit / 2);
    this.#best = Infinity;
    this.#bestSince = now;
    this.#remeasuring = true;
  }

  #set(limit: number): void {
    this.#limit = Math.min(MOST, Math.max(LEAST, limit));
  }
}
