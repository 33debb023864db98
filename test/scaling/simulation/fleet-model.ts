/**
 * A model of a service from queueing theory, in steps of a second. By default each instance serves a hundred requests
 * per second and needs a minute to start. Its latency grows with its load, and requests beyond its capacity wait.
 */

export interface FleetShape {
  /** Requests per second that keep an instance busy all the time. */
  readonly capacity: number;
  /** Seconds from the order until an instance serves requests. */
  readonly boot: number;
}

export const DEFAULT_SHAPE: FleetShape = { capacity: 100, boot: 60 };
/** 99th percentile of an idle instance, in ms: 4.6 times a mean of 20 ms, as in an exponential distribution. */
const IDLE_P99 = 92;
/** Callers time out after this many seconds, which bounds the queue. */
const PATIENCE = 10;
export const LATENCY_TARGET = 500;
/** Share of its capacity at which an instance reaches the latency target. */
export const BUSIEST = 1 - IDLE_P99 / LATENCY_TARGET;

/** The measurements since the last decision, per instance; all instances have the same. */
export interface Readings {
  /** Percent. */
  readonly cpu: number;
  /** Requests waiting in each instance. */
  readonly queueDepth: number;
  /** Milliseconds. */
  readonly p99: number;
}

export interface Result {
  /** Seconds in which the latency was above its target. */
  readonly secondsOver: number;
  readonly instanceHours: number;
  readonly changes: number;
}

/** Decides from the readings how many instances there should be. Called every `interval` seconds. */
export interface Scaler {
  readonly interval: number;
  decide(readings: Readings, ready: readonly string[], starting: readonly string[], second: number): number;
}

interface Starting {
  readonly id: string;
  readonly readyAt: number;
}

class FleetModel {
  readonly ready: string[] = [];
  starting: Starting[] = [];
  readonly #shape: FleetShape;
  #number = 0;
  #waiting = 0;
  #busy = 0;
  #p99 = 0;
  #seconds = 0;

  constructor(instances: number, shape: FleetShape) {
    this.#shape = shape;
    for (let i = 0; i < instances; i++) this.ready.push(this.#name());
  }

  /** One second of `arrivals` requests; returns its 99th percentile in ms. */
  serve(arrivals: number, second: number): number {
    while (this.starting.length > 0 && this.starting[0]!.readyAt <= second) this.ready.push(this.starting.shift()!.id);
    const capacity = this.ready.length * this.#shape.capacity;
    const served = Math.min(this.#waiting + arrivals, capacity);
    this.#waiting = Math.min(this.#waiting + arrivals - served, capacity * PATIENCE);
    const busy = served / capacity;
    const p99 = Math.min(IDLE_P99 / Math.max(1e-9, 1 - busy), 1000) + (this.#waiting / capacity) * 1000;
    this.#busy += busy;
    this.#p99 += p99;
    this.#seconds++;
    return p99;
  }

  read(): Readings {
    const readings = {
      cpu: (100 * this.#busy) / this.#seconds,
      queueDepth: this.#waiting / this.ready.length,
      p99: this.#p99 / this.#seconds,
    };
    this.#busy = this.#p99 = this.#seconds = 0;
    return readings;
  }

  /** Starts or stops instances; starting ones are stopped first. */
  resize(count: number, second: number): void {
    while (this.ready.length + this.starting.length < count) {
      this.starting.push({ id: this.#name(), readyAt: second + this.#shape.boot });
    }
    while (this.ready.length + this.starting.length > count) if (this.starting.pop() === undefined) this.ready.pop();
  }

  #name(): string {
    return `i${this.#number++}`;
  }
}

/** Runs a scaler through the rates and measures from second `from` on. */
export function simulate(
  rates: Float64Array,
  scaler: Scaler,
  initial: number,
  from: number,
  shape = DEFAULT_SHAPE,
): Result {
  const fleet = new FleetModel(initial, shape);
  let secondsOver = 0;
  let instanceSeconds = 0;
  let changes = 0;
  for (let second = 0; second < rates.length; second++) {
    const p99 = fleet.serve(rates[second]!, second);
    const count = fleet.ready.length + fleet.starting.length;
    if (second >= from) {
      if (p99 > LATENCY_TARGET) secondsOver++;
      instanceSeconds += count;
    }
    if ((second + 1) % scaler.interval !== 0) continue;
    const starting = fleet.starting.map(({ id }) => id);
    const desired = scaler.decide(fleet.read(), fleet.ready, starting, second + 1);
    if (desired !== count && second >= from) changes++;
    fleet.resize(desired, second + 1);
  }
  return { secondsOver, instanceHours: instanceSeconds / 3600, changes };
}
