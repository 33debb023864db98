/** The scalers that the simulation compares. */
import { AutoScalingDecisionEngine, type ScalingPolicy } from '../../../src/scaling/index.js';
import { ChangeLimiter } from '../../../src/scaling/change-limit.js';
import { adviseLoad } from '../../../src/scaling/hpa.js';
import { Stabilization } from '../../../src/scaling/stabilization.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import type { Scaler } from './fleet-model.js';

export const MIN = 2;
export const MAX = 30;

export function fixedFleet(): Scaler {
  return { interval: 60, decide: (_, ready) => ready.length };
}

/** The HorizontalPodAutoscaler with its defaults: 15 s, tolerance 0.1, 300 s down, twice or four more in 15 s. */
export function plainHpa(target: number): Scaler {
  const stabilization = new Stabilization({ up: 0, down: 300 });
  const limiter = new ChangeLimiter({
    up: { percent: 100, count: 4, period: 15 },
    down: { percent: 100, count: 0, period: 15 },
  });
  const rule = { target, up: target * 1.1, down: target * 0.9 };
  return {
    interval: 15,
    decide({ cpu }, ready, starting, second) {
      const current = ready.length + starting.length;
      const values = ready.map(() => cpu);
      const { desired = current } = adviseLoad(rule, { values, missing: 0, warming: starting.length, full: 100 });
      const bounded = Math.min(MAX, Math.max(MIN, desired));
      const stable = stabilization.apply(bounded, current, second);
      const next = limiter.apply(stable, current, second);
      limiter.changed(next - current, second);
      return next;
    },
  };
}

/** This kit's engine, given what instances report. */
export function engine(policy: ScalingPolicy): Scaler {
  const clock = new FakeClock(0);
  const decider = new AutoScalingDecisionEngine({ clock });
  decider.setScalingPolicy('service', { min: MIN, max: MAX, ...policy });
  let known: readonly string[] = [];
  return {
    interval: 10,
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
