/** A service that shrank in vain shrinks at a lower load the next time. */
import fc from '../support/fast-check.js';
import { AutoScalingDecisionEngine } from '../../src/scaling/index.js';
import { ShrinkMargin } from '../../src/scaling/shrink-margin.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const HOUR = 3_600_000;
const RULE = { target: 65, up: 70, down: 55 };
const downOf = (margin: ShrinkMargin, now: number): number => margin.ease(RULE, now).down;

/** Shrinks and grows back, an hour apart. */
function flap(margin: ShrinkMargin, times: number, from = 0): number {
  let now = from;
  for (let i = 0; i < times; i++) {
    margin.changed(7, 6, (now += HOUR));
    margin.changed(6, 7, (now += HOUR));
  }
  return now;
}

test('each shrinking that was undone lowers the load for the next one, up to a bound', () => {
  const margin = new ShrinkMargin();
  expect(margin.ease(RULE, 0)).toBe(RULE);
  const lowered = [1, 2, 3, 10].map((times) => {
    const one = new ShrinkMargin();
    return downOf(one, flap(one, times));
  });
  expect(lowered[0]).toBeCloseTo(55 * 0.97);
  expect(lowered.slice(1)).toEqual(Array(3).fill(55 * 0.94));
});

test.each([
  ['a growth beyond what was taken away is a load of its own', 6, 8, HOUR],
  ['a growth long after the shrinking does not undo it', 6, 7, 3 * HOUR],
])('%s', (_title, from, to, later) => {
  const margin = new ShrinkMargin();
  margin.changed(7, 6, 0);
  margin.changed(from, to, later);
  expect(downOf(margin, later)).toBe(55);
});

test('shrinking that lasts raises the load again, step by step', () => {
  const margin = new ShrinkMargin();
  let now = flap(margin, 2);
  const raised = [];
  for (let i = 0; i < 3; i++) {
    margin.changed(7, 6, now);
    raised.push(downOf(margin, (now += 2 * HOUR)));
  }
  expect(raised).toEqual([55 * 0.97, 55, 55]);
});

test('only the lower bound moves, regardless of the changes, and by at most 6 %', () => {
  const step = fc.record({ from: fc.nat(20), to: fc.nat(20), wait: fc.integer({ min: 0, max: 4 * HOUR }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const margin = new ShrinkMargin();
      let now = 0;
      for (const { from, to, wait } of steps) {
        now += wait;
        margin.changed(from, to, now);
        const { target, up, down } = margin.ease(RULE, now);
        expect([target, up]).toEqual([65, 70]);
        expect(down).toBeGreaterThanOrEqual(55 * 0.94 - 1e-9);
        expect(down).toBeLessThanOrEqual(55);
      }
    }),
  );
});

test('a load that swings around the edge of a number of instances changes it less often as time goes on', () => {
  const clock = new FakeClock(0);
  const engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy('s', { min: 1, max: 20, predictive: false });
  let count = 6;
  const changesByDay: number[] = [];
  for (let day = 0; day < 3; day++) {
    let changes = 0;
    for (let second = 0; second < 86_400; second += 10) {
      clock.set((86_400 * day + second) * 1000);
      // In instances at 65 %: from 5.65 to 6.55 and back in an hour.
      const load = 6.1 - 0.45 * Math.cos((2 * Math.PI * second) / 3600);
      const cpu = (65 * load) / count;
      engine.recordMetrics(
        's',
        Array.from({ length: count }, (_, i) => ({ instance: `i${i}`, ready: true, cpu })),
      );
      engine.evaluateScaling('s');
      const { desired } = engine.explain('s')!;
      for (let i = desired; i < count; i++) engine.removeInstance('s', `i${i}`);
      if (desired !== count) changes++;
      count = desired;
    }
    changesByDay.push(changes);
  }
  expect(changesByDay[0]).toBeGreaterThan(2);
  expect(changesByDay.slice(1)).toEqual([0, 0]);
});
