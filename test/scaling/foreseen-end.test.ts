/** After a load whose end was predicted, instances are not kept for the whole scale-down window; otherwise they are. */
import fc from '../support/fast-check.js';
import { AutoScalingDecisionEngine, type InstanceSample } from '../../src/scaling/index.js';
import { Stabilization } from '../../src/scaling/stabilization.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const SERVICE = 'reports';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const INTERVAL = 10_000;
/** The hour that the tests examine, the thirteenth: the forecast is trusted by then. */
const WATCHED = 12;

interface Run {
  /** Percent of one instance that the service needs at a moment. */
  readonly load: (t: number) => number;
  readonly figures?: (t: number) => InstanceSample;
  readonly predictive?: boolean;
}

/** Scales as decided for thirteen hours; returns the number of instances in each minute of the last hour. */
function instancesOf({ load, figures, predictive = true }: Run): (minute: number) => number {
  const clock = new FakeClock(0);
  const engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy(SERVICE, { max: 20, cpu: 65, predictive: predictive && { bootTime: MINUTE } });
  let count = 4;
  const counts = new Map<number, number>();
  for (let t = 0; t < (WATCHED + 1) * HOUR; t += INTERVAL) {
    clock.set(t);
    const cpu = Math.min(100, load(t) / count);
    for (let i = 0; i < count; i++) engine.recordMetrics(SERVICE, { instance: `i${i}`, cpu, ...figures?.(t) });
    engine.evaluateScaling(SERVICE);
    const { desired } = engine.explain(SERVICE)!;
    for (let i = desired; i < count; i++) engine.removeInstance(SERVICE, `i${i}`);
    count = desired;
    if (t % MINUTE === 0) counts.set(t / MINUTE - WATCHED * 60, count);
  }
  return (minute) => counts.get(minute)!;
}

/** Whether a moment lies in these minutes of its hour. */
const isIn = (t: number, from: number, to: number): boolean => t % HOUR >= from * MINUTE && t % HOUR < to * MINUTE;
const hourly = (t: number): number => (isIn(t, 0, 10) ? 800 : 200);

test('after a predicted end the service scales down as soon as the grid of the forecast shows the end', () => {
  const after = instancesOf({ load: hourly });
  expect([after(9), after(12)]).toEqual([13, 4]);
  const reactive = instancesOf({ load: hourly, predictive: false });
  expect([reactive(9), reactive(14)]).toEqual([13, 13]);
});

test('after a load that was not predicted the instances are kept for the whole window', () => {
  const once = (t: number): number => (Math.floor(t / HOUR) === WATCHED && isIn(t, 30, 34) ? 800 : hourly(t));
  const after = instancesOf({ load: once });
  expect([after(33), after(38), after(40)]).toEqual([13, 13, 4]);
});

test('after a load higher than predicted the instances are kept for the whole window', () => {
  const higher = (t: number): number => (t >= WATCHED * HOUR && isIn(t, 0, 10) ? 1100 : hourly(t));
  expect(instancesOf({ load: higher })(14)).toBe(17);
});

test('instances are kept for a load that is predicted to return within the window', () => {
  const twice = (t: number): number => (isIn(t, 0, 10) || isIn(t, 13, 20) ? 800 : 200);
  const between = instancesOf({ load: twice });
  expect([between(9), between(12), between(13), between(23)]).toEqual([13, 13, 13, 4]);
});

test('instances that another metric requires are kept for the whole window', () => {
  const memory = (t: number): InstanceSample => ({ memory: isIn(t, 0, 10) ? 60 : 20 });
  expect(instancesOf({ load: hourly, figures: memory })(14)).toBe(13);
});

test('an outlook never keeps more instances than the window would, and never fewer than desired', () => {
  const step = fc.record({
    desired: fc.integer({ min: 0, max: 20 }),
    pause: fc.integer({ min: 1, max: 200 }),
    outlook: fc.option(fc.record({ unforeseen: fc.integer({ min: 0, max: 20 }), ahead: fc.integer({ max: 40 }) }), {
      nil: undefined,
    }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 0, max: 20 }), (steps, current) => {
      const plain = new Stabilization({ up: 0, down: 300 });
      const informed = new Stabilization({ up: 0, down: 300 }, 60);
      let now = 0;
      for (const { desired, pause, outlook } of steps) {
        now += pause;
        const most = plain.apply(desired, current, now);
        const held = informed.apply(desired, current, now, outlook);
        expect(held).toBeLessThanOrEqual(most);
        expect(held).toBeGreaterThanOrEqual(desired);
        if (outlook === undefined) expect(held).toBe(most);
      }
    }),
  );
});
