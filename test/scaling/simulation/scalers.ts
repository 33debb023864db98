/** The scalers that the simulation compares. */
import { AutoScalingDecisionEngine, type ScalingPolicy } from '../../../src/scaling/index.js';
import { ChangeLimiter } from '../../../src/scaling/change-limit.js';
import { adviseLoad } from '../../../src/scaling/hpa.js';
import { Stabilization } from '../../../src/scaling/stabilization.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { BUSIEST, type FleetShape, type Scaler } from './fleet-model.js';

/** Fewest and most instances. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export const BOUNDS: Bounds = { min: 2, max: 30 };
/** Seconds between two decisions: of Kubernetes, and of `ScalingLoop`. */
export const HPA_INTERVAL = 15;
export const ENGINE_INTERVAL = 10;

export function fixedFleet(): Scaler {
  return { interval: 60, decide: (_, ready) => ready.length };
}

/** The fewest instances that serve a rate within the latency target. */
const fewestFor = (rate: number, { capacity }: FleetShape): number => Math.ceil(rate / (capacity * BUSIEST) - 1e-9);

/**
 * Knows all future rates. It orders an instance so that it is ready when the rate needs it, and keeps it while the rate
 * needs it again before a new one could be ready.
 */
export function oracle(rates: Float64Array, shape: FleetShape, { min, max }: Bounds): Scaler {
  return {
    interval: ENGINE_INTERVAL,
    decide(_readings, _ready, _starting, second) {
      let highest = 0;
      const end = Math.min(rates.length, second + shape.boot + ENGINE_INTERVAL + 1);
      for (let at = second; at < end; at++) highest = Math.max(highest, rates[at]!);
      return Math.min(max, Math.max(min, fewestFor(highest, shape)));
    },
  };
}

/** The HorizontalPodAutoscaler with its defaults: tolerance 0.1, 300 s down, twice or four more in 15 s. */
export function plainHpa(target: number, interval = HPA_INTERVAL, { min, max } = BOUNDS): Scaler {
  const stabilization = new Stabilization({ up: 0, down: 300 });
  const limiter = new ChangeLimiter({
    up: { percent: 100, count: 4, period: 15 },
    down: { percent: 100, count: 0, period: 15 },
  });
  const rule = { target, up: target * 1.1, down: target * 0.9 };
  return {
    interval,
    decide({ cpu }, ready, starting, second) {
      const current = ready.length + starting.length;
      const values = ready.map(() => cpu);
      const { desired = current } = adviseLoad(rule, { values, missing: 0, warming: starting.length, full: 100 });
      const bounded = Math.min(max, Math.max(min, desired));
      const stable = stabilization.apply(bounded, current, second);
      const next = limiter.apply(stable, current, second);
      limiter.changed(next - current, second);
      return next;
    },
  };
}

/** This kit's engine, given what instances report. */
export function engine(policy: ScalingPolicy, bounds = BOUNDS): Scaler {
  const clock = new FakeClock(0);
  const decider = new AutoScalingDecisionEngine({ clock });
  decider.setScalingPolicy('service', { ...bounds, ...policy });
  let known: readonly string[] = [];
  return {
    interval: ENGINE_INTERVAL,
    decide(readings, ready, starting, second) {
      clock.set(second * 1000);
      for (const id of known) if (!ready.includes(id) && !starting.includes(id)) decider.removeInstance('service', id);
      known = [...ready, ...starting];
      decider.recordMetrics('service', [
        ...ready.map((instance) => ({ instance, ...readings })),
        ...starting.map((instance) => ({ instance, ready: false })),
      ]);
      decider.evaluateScaling('service');
      return decider.explain('service')!.desired;
    },
  };
}
