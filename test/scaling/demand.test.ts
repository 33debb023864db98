/** Load measured by callers, instances that do not report under load, and symptoms measured on few requests. */
import fc from '../support/fast-check.js';
import { AutoScalingDecisionEngine, type InstanceSample, type ScalingPolicy } from '../../src/scaling/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const QUIET: ScalingPolicy = { min: 1, max: 10, stabilization: 0, cooldown: 0, predictive: false, staleAfter: 30_000 };

function setUp(policy: ScalingPolicy = {}) {
  const clock = new FakeClock(0);
  const engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy('s', { ...QUIET, ...policy });
  const report = (instance: string, sample: InstanceSample = {}) => engine.recordMetrics('s', { instance, ...sample });
  const decide = () => {
    engine.evaluateScaling('s');
    return engine.explain('s')!;
  };
  return { clock, engine, report, decide };
}

test('an instance that does not answer while callers send it requests is saturated: the service grows', () => {
  const { engine, report, decide } = setUp();
  report('a', { silent: true });
  engine.recordDemand('s', { caller: 'web-1', instance: 'a', inFlight: 80, latency: 4200, answered: 10 });
  expect(decide()).toMatchObject({
    action: 'SCALE_UP',
    desired: 2,
    instances: { ready: 1, missing: 0 },
    demand: { inFlight: 80, saturated: ['a'] },
    reason: expect.stringMatching(/a too busy to report, callers have 80 in flight, a latency of 4200 ms/) as string,
  });
});

test('without a request and without a busy process, silence is missing data: nothing changes', () => {
  const { engine, report, decide } = setUp();
  report('a', { cpu: 90 });
  report('b', { silent: true, cpu: 3 });
  engine.recordDemand('s', { caller: 'web-1', instance: 'b', inFlight: 0 });
  expect(decide()).toMatchObject({ instances: { ready: 1, missing: 1 }, demand: { saturated: [] } });
  report('a', { cpu: 5 });
  expect(decide()).toMatchObject({ action: 'HOLD' });
});

test('a silent instance whose process is busy is saturated, even without reports of its callers', () => {
  const { report, decide } = setUp();
  report('a', { silent: true, cpu: 98 });
  expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 2, demand: { saturated: ['a'] } });
});

test('old reports with requests under way are saturation as well, until the callers fall silent too', () => {
  const { engine, report, decide, clock } = setUp();
  report('a', { cpu: 20 });
  clock.tick(31_000);
  engine.recordDemand('s', { instance: 'a', inFlight: 3 });
  expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 2 });
  clock.tick(31_000);
  expect(decide()).toMatchObject({ demand: null });
});

test('requests that wait at the callers count as queued at the instances', () => {
  const { engine, report, decide } = setUp();
  report('a', { cpu: 20, queueDepth: 0 });
  report('b', { cpu: 20, queueDepth: 0 });
  expect(decide().action).toBe('SCALE_DOWN');
  engine.recordDemand('s', { caller: 'web-1', waiting: 30 });
  expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 3 });
});

test('the latest report of each caller counts, and the reports of several callers are added up', () => {
  const { engine, report, decide } = setUp();
  report('a', { cpu: 50 });
  engine.recordDemand('s', [
    { caller: 'x', instance: 'a', inFlight: 5, at: -1000 },
    { caller: 'x', instance: 'a', inFlight: 7 },
    { caller: 'y', instance: 'a', inFlight: 1, answered: 3 },
    { caller: 'x', instance: 'a', inFlight: 100, at: -500 },
  ]);
  expect(decide().demand).toMatchObject({ inFlight: 8 });
  expect(engine.demandOf('s', 'a')).toEqual({ inFlight: 8, answered: 3 });
  engine.removeInstance('s', 'a');
  expect(engine.demandOf('s', 'a')).toBeUndefined();
});

test('for any recorded demand the figures stay finite and the decision stays within min and max', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record(
          {
            instance: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
            caller: fc.string({ maxLength: 3 }),
            inFlight: fc.oneof(fc.double(), fc.constant(null)),
            waiting: fc.double(),
            latency: fc.double(),
            answered: fc.double(),
            at: fc.double(),
          },
          { requiredKeys: [] },
        ),
        { maxLength: 50 },
      ),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean(), fc.integer({ min: 0, max: 120 }))),
      (demand, reports) => {
        const { engine, report, decide } = setUp();
        for (const [id, silent, cpu] of reports) report(id, { silent, cpu });
        engine.recordDemand('s', demand);
        const { desired, current, demand: read } = decide();
        if (current > 0) expect(desired).toBeGreaterThanOrEqual(1);
        expect(desired).toBeLessThanOrEqual(10);
        if (read !== null) expect(Number.isFinite(read.inFlight + read.waiting)).toBe(true);
      },
    ),
  );
});

describe('a symptom', () => {
  test('is ignored if it has fewer requests than its percentile needs', () => {
    const { report, decide } = setUp();
    report('a', { cpu: 60, p99: 5000, requests: 99 });
    expect(decide().action).toBe('HOLD');
    report('a', { cpu: 60, p99: 5000, requests: 100 });
    expect(decide().action).toBe('SCALE_UP');
  });

  test('is ignored if the service is idle, because more instances would not help', () => {
    const { report, decide } = setUp();
    report('a', { cpu: 5, queueDepth: 0, p99: 5000, requests: 1000 });
    expect(decide().action).toBe('HOLD');
    report('a', { cpu: 5, queueDepth: 2, p99: 5000, requests: 1000 });
    expect(decide().action).toBe('SCALE_UP');
  });

  test('that a step did not relieve is remembered over windows without a request', () => {
    const { report, decide, clock } = setUp({ stabilization: { down: 600_000 } });
    report('a', { cpu: 60, p99: 5000, requests: 500 });
    expect(decide().action).toBe('SCALE_UP');
    for (let i = 0; i < 5; i++) {
      clock.tick(10_000);
      for (const id of ['a', 'b']) report(id, { cpu: 5, p99: null, errorRate: null, requests: 0 });
      expect(decide().action).toBe('HOLD');
    }
    for (const id of ['a', 'b']) report(id, { cpu: 60, p99: 4900, errorRate: 0, requests: 500 });
    expect(decide()).toMatchObject({ action: 'HOLD', reason: expect.stringContaining('did not help') as string });
  });
});
