/**
 * A service under ten minutes of random load, second by second, with the engine that decides for it. It gets what the fleet
 * gives it: the report of each instance that finds the time for one, and what its callers have in flight.
 */
import { AutoScalingDecisionEngine } from '../../../src/scaling/index.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

export interface Noise {
  /** Requests of each second. */
  readonly arrivals: readonly number[];
  /** Most instances. */
  readonly max: number;
  /** Seconds from the order until an instance serves. */
  readonly boot: number;
}

/** A decision that changed the number of instances. */
export interface Change {
  readonly second: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  /** Requests that the callers had in flight. */
  readonly inFlight: number;
}

export interface Outcome {
  /** Requests that waited longer than their caller. */
  readonly failed: number;
  readonly changes: readonly Change[];
}

/** Requests that an instance serves per second. */
export const CAPACITY = 100;
/** Seconds that a caller waits, as through the gateway. */
const PATIENCE = 30;
const INTERVAL = 10;
/** Seconds of work in an instance from which it does not answer a request for its load in time. */
const SILENT = 2;
/** Milliseconds of a request that does not wait. */
const SERVICE_TIME = 20;

/** Requests wait in the order in which they came. */
class Queue {
  readonly #waiting: Array<{ readonly second: number; count: number }> = [];
  length = 0;

  add(second: number, count: number): void {
    this.#waiting.push({ second, count });
    this.length += count;
  }

  /** Serves up to so many; returns how many were given up before, and how long the last one waited in seconds. */
  serve(second: number, capacity: number): { failed: number; served: number; wait: number } {
    let [failed, served, wait] = [0, 0, 0];
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const age = second - first.second;
      const isLate = age > PATIENCE;
      const taken = isLate ? first.count : Math.min(first.count, capacity - served);
      if (isLate) failed += taken;
      else [served, wait] = [served + taken, age];
      first.count -= taken;
      this.length -= taken;
      if (first.count > 0) break;
      this.#waiting.shift();
    }
    return { failed, served, wait };
  }
}

/** Serves the load with as many instances as `sizeAt` says for each second. */
function serve(arrivals: readonly number[], sizeAt: (second: number, seen: Seen) => number): number {
  const queue = new Queue();
  let failed = 0;
  let seen: Seen = { queued: 0, inFlight: 0, wait: 0, busy: 0, answered: 0 };
  arrivals.forEach((count, second) => {
    const capacity = CAPACITY * sizeAt(second, seen);
    queue.add(second, count);
    const now = queue.serve(second, capacity);
    failed += now.failed;
    seen = {
      queued: queue.length,
      inFlight: queue.length + (now.served * SERVICE_TIME) / 1000,
      wait: now.wait,
      busy: now.served / capacity,
      answered: seen.answered + now.served,
    };
  });
  return failed;
}

/** The state of the service after a second. */
interface Seen {
  readonly queued: number;
  readonly inFlight: number;
  /** Seconds. */
  readonly wait: number;
  /** Share of the time of the instances. */
  readonly busy: number;
  readonly answered: number;
}

/** The requests that even all instances from the first second on fail. */
export function unservable({ arrivals, max }: Noise): number {
  return serve(arrivals, () => max);
}

export function underNoise({ arrivals, max, boot }: Noise): Outcome {
  const clock = new FakeClock(0);
  const engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy('service', { min: 1, max });
  const instances = [{ id: 'service-1', readyAt: 0 }];
  const changes: Change[] = [];
  let busy: number[] = [];
  let named = 1;

  const decide = (second: number, seen: Seen): void => {
    clock.set(second * 1000);
    const ready = instances.filter(({ readyAt }) => readyAt <= second);
    const share = Math.ceil(seen.inFlight / ready.length);
    const cpu = (100 * busy.reduce((sum, one) => sum + one, 0)) / busy.length;
    busy = [];
    const isSilent = share > SILENT * CAPACITY;
    const latency = SERVICE_TIME + seen.wait * 1000;
    for (const { id, readyAt } of instances) {
      const isReady = readyAt <= second;
      engine.recordMetrics('service', {
        ...{ instance: id, ready: isReady, silent: isReady && isSilent },
        ...(isReady && !isSilent && { cpu, queueDepth: seen.queued / ready.length, p99: latency, requests: 1000 }),
      });
      if (!isReady) continue;
      const answered = seen.answered / ready.length;
      engine.recordDemand('service', { caller: 'web', instance: id, inFlight: share, latency, answered });
    }
    engine.evaluateScaling('service');
    const { desired, reason } = engine.explain('service')!;
    const from = instances.length;
    if (desired !== from) changes.push({ second, from, to: desired, reason, inFlight: seen.inFlight });
    while (instances.length < desired) instances.push({ id: `service-${++named}`, readyAt: second + boot });
    while (instances.length > desired) engine.removeInstance('service', instances.pop()!.id);
  };

  const failed = serve(arrivals, (second, seen) => {
    busy.push(seen.busy);
    if (second > 0 && second % INTERVAL === 0) decide(second, seen);
    return Math.max(1, instances.filter(({ readyAt }) => readyAt <= second).length);
  });
  return { failed, changes };
}
