import fc from '../support/fast-check.js';
import {
  AutoScalingDecisionEngine,
  type InstanceSample,
  type ScalingDecision,
  type ScalingPolicy,
} from '../../src/scaling/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const SERVICE = 'reports';
const QUIET: ScalingPolicy = { stabilization: 0, cooldown: 0, predictive: false };

function setUp(policy: ScalingPolicy = {}) {
  const clock = new FakeClock(0);
  const engine = new AutoScalingDecisionEngine({ clock });
  engine.setScalingPolicy(SERVICE, policy);
  const events: ScalingDecision[] = [];
  engine.onScalingDecision((decision) => events.push(decision));
  /** Reports the same of `count` ready instances. */
  const report = (count: number, sample: InstanceSample = {}) =>
    engine.recordMetrics(
      SERVICE,
      Array.from({ length: count }, (_, i) => ({ instance: `i${i}`, ...sample })),
    );
  const decide = (): ScalingDecision => {
    engine.evaluateScaling(SERVICE);
    return engine.explain(SERVICE)!;
  };
  return { clock, engine, events, report, decide };
}

describe('rules', () => {
  test.each<[string, InstanceSample, string, number]>([
    ['CPU above 70', { cpu: 71 }, 'SCALE_UP', 3],
    ['CPU far above', { cpu: 100 }, 'SCALE_UP', 4],
    ['CPU close to its target', { cpu: 69 }, 'HOLD', 2],
    ['CPU below its target, but too high for fewer instances', { cpu: 35 }, 'HOLD', 2],
    ['CPU low enough for fewer instances', { cpu: 32 }, 'SCALE_DOWN', 1],
    ['memory above 75', { memory: 76 }, 'SCALE_UP', 3],
    ['memory between', { memory: 60 }, 'HOLD', 2],
    ['memory below 50, as much as the formula allows', { memory: 30 }, 'SCALE_DOWN', 1],
    ['queue above 10', { queueDepth: 11 }, 'SCALE_UP', 3],
    ['queue below', { queueDepth: 2 }, 'SCALE_DOWN', 1],
    ['p99 above 500: one step', { cpu: 50, p99: 5000 }, 'SCALE_UP', 3],
    ['p99 below says nothing', { p99: 5 }, 'HOLD', 2],
    ['p99 near its limit keeps', { cpu: 5, p99: 480 }, 'HOLD', 2],
    ['errors above 1 %: one step', { cpu: 5, errorRate: 50 }, 'SCALE_UP', 3],
    ['errors none', { cpu: 5, errorRate: 0 }, 'SCALE_DOWN', 1],
    ['a long queue: at most twice as many', { queueDepth: 500 }, 'SCALE_UP', 4],
    ['the highest wins', { cpu: 10, memory: 97, queueDepth: 2 }, 'SCALE_UP', 3],
  ])('%s', (_, sample, action, desired) => {
    const { report, decide } = setUp(QUIET);
    report(2, sample);
    expect(decide()).toMatchObject({ action, desired });
  });

  test('inFlight is watched if the policy sets a target for it', () => {
    const { report, decide } = setUp({ ...QUIET, inFlight: 10 });
    report(2, { cpu: 50, inFlight: 25 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 5 });
  });

  test('a metric set to false is ignored', () => {
    const { report, decide } = setUp({ ...QUIET, memory: false, errorRate: false });
    report(2, { cpu: 50, memory: 99, errorRate: 90 });
    expect(decide().metrics.map(({ metric }) => metric)).toEqual(['cpu']);
    expect(decide().action).toBe('HOLD');
  });
});

describe('missing data', () => {
  test('without reports the decision is HOLD, and also if all reported figures are invalid', () => {
    const { report, decide } = setUp(QUIET);
    expect(decide()).toMatchObject({ action: 'HOLD', reason: 'no instance has reported' });
    report(3, { cpu: NaN, queueDepth: -1, p99: Infinity });
    expect(decide()).toMatchObject({ action: 'HOLD', desired: 3 });
  });

  test('a required metric that no instance reports prevents scaling down, but not scaling up', () => {
    const { report, decide, clock } = setUp({ ...QUIET, queueDepth: 10 });
    report(3, { cpu: 5 });
    expect(decide()).toMatchObject({ action: 'HOLD', unknown: ['queueDepth'] });
    clock.tick(10_000);
    report(3, { cpu: 95 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 5 });
  });

  test('a metric once reported is required from then on', () => {
    const { report, decide } = setUp(QUIET);
    report(3, { cpu: 20, queueDepth: 20 });
    report(3, { cpu: 20 });
    expect(decide()).toMatchObject({ action: 'HOLD', unknown: ['queueDepth'] });
  });

  test('figures that are null for lack of requests allow scaling down, invalid figures prevent it', () => {
    const { report, decide } = setUp(QUIET);
    report(3, { cpu: 5, p99: null, errorRate: null });
    expect(decide().action).toBe('SCALE_DOWN');
    report(3, { cpu: 5, p99: NaN, errorRate: null });
    expect(decide()).toMatchObject({ action: 'HOLD', unknown: ['p99'] });
  });

  test('an instance that stops reporting counts as missing, then as full, and is finally forgotten', () => {
    const { clock, report, decide, engine } = setUp({ ...QUIET, cpu: 65 });
    report(3, { cpu: 35 });
    clock.tick(30_000);
    report(2, { cpu: 35 });
    // (35 + 35 + 100) / 3 does not allow a smaller number: the service does not scale down.
    expect(decide()).toMatchObject({ action: 'HOLD', instances: { ready: 2, missing: 1, warming: 0 } });
    clock.tick(270_000);
    report(2, { cpu: 35 });
    expect(decide()).toMatchObject({ current: 2, instances: { missing: 0 } });
    expect(engine.removeInstance(SERVICE, 'i1')).toBe(true);
    expect(decide().current).toBe(1);
  });

  test('an old report never replaces a newer one', () => {
    const { clock, engine, decide } = setUp(QUIET);
    clock.tick(60_000);
    engine.recordMetrics(SERVICE, { cpu: 90 });
    engine.recordMetrics(SERVICE, { cpu: 10, at: 50_000 });
    expect(decide().action).toBe('SCALE_UP');
    expect(engine.getScalingMetrics(SERVICE)).toMatchObject({ samples: 1, ignoredSamples: 1 });
  });
});

describe('pending instances', () => {
  test('starting instances count as idle when scaling up', () => {
    const { engine, report, decide } = setUp(QUIET);
    report(2, { cpu: 90 });
    engine.recordMetrics(SERVICE, { instance: 'new', ready: false, cpu: 100 });
    expect(decide()).toMatchObject({ action: 'HOLD', current: 3, instances: { ready: 2, warming: 1 } });
  });

  test('ordered instances count before they report, and no longer if they never start', () => {
    const { clock, report, decide } = setUp(QUIET);
    report(2, { cpu: 100 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 4, pending: 0 });
    clock.tick(10_000);
    report(2, { cpu: 100 });
    expect(decide()).toMatchObject({ action: 'HOLD', current: 4, pending: 2 });
    clock.tick(50_000);
    report(2, { cpu: 100 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', current: 2, desired: 4 });
  });

  test('the startup time is measured', () => {
    const { clock, engine } = setUp(QUIET);
    engine.recordMetrics(SERVICE, { ready: false });
    clock.tick(4000);
    engine.recordMetrics(SERVICE, { ready: false });
    clock.tick(4000);
    engine.recordMetrics(SERVICE, { ready: true, cpu: 10 });
    expect(engine.getScalingMetrics(SERVICE)?.bootTime).toBe(8000);
  });
});

describe('symptoms', () => {
  test('a step that does not help is not followed by another', () => {
    const { clock, report, decide } = setUp(QUIET);
    report(2, { cpu: 40, errorRate: 20 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 3 });
    clock.tick(10_000);
    report(3, { cpu: 30, errorRate: 19 });
    const held = decide();
    expect(held).toMatchObject({ action: 'HOLD', desired: 3 });
    expect(held.reason).toBe('errorRate 19 above 1, but the last step did not help');
    clock.tick(600_000);
    report(3, { cpu: 30, errorRate: 19 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 4 });
  });

  test('a step that helps is followed by the next once its instances serve requests', () => {
    const { clock, engine, report, decide } = setUp(QUIET);
    report(2, { cpu: 60, p99: 3000 });
    expect(decide().desired).toBe(3);
    clock.tick(10_000);
    report(2, { cpu: 60, p99: 3000 });
    engine.recordMetrics(SERVICE, { instance: 'i2', ready: false });
    expect(decide()).toMatchObject({ action: 'HOLD' });
    clock.tick(10_000);
    report(3, { cpu: 60, p99: 900 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 4 });
    clock.tick(10_000);
    report(4, { cpu: 59, p99: 300 });
    expect(decide()).toMatchObject({ action: 'HOLD', desired: 4 });
  });
});

describe('time', () => {
  test('scales down when all decisions of five minutes agree, counted from the first report', () => {
    const { clock, report, decide } = setUp({ predictive: false, cooldown: 0 });
    for (let t = 0; t < 300; t += 10) {
      report(4, { cpu: 10 });
      expect(decide()).toMatchObject({ action: 'HOLD', desired: 4 });
      clock.tick(10_000);
    }
    report(4, { cpu: 10 });
    expect(decide()).toMatchObject({ action: 'SCALE_DOWN', desired: 1, reason: 'cpu 10 below 55 asks for 1 instance' });
  });

  test('scales down only to the highest number of the window, and up only to the lowest', () => {
    const { clock, report, decide } = setUp({ ...QUIET, cpu: 50, stabilization: { up: 60_000, down: 60_000 } });
    report(6, { cpu: 25 });
    decide();
    clock.tick(30_000);
    report(6, { cpu: 40 });
    decide();
    clock.tick(30_000);
    report(6, { cpu: 10 });
    expect(decide()).toMatchObject({ action: 'SCALE_DOWN', desired: 5 });
    clock.tick(10_000);
    report(5, { cpu: 100 });
    expect(decide()).toMatchObject({ action: 'HOLD' });
  });

  test('does not scale faster than the rate limit', () => {
    const policy = { ...QUIET, cpu: 10, max: 100, rateLimit: { up: { percent: 50, count: 1, period: 60_000 } } };
    const { clock, report, decide } = setUp(policy);
    report(4, { cpu: 19 });
    expect(decide().desired).toBe(6);
    clock.tick(30_000);
    report(6, { cpu: 19 });
    expect(decide()).toMatchObject({ action: 'HOLD', current: 6 });
    clock.tick(30_000);
    report(6, { cpu: 19 });
    expect(decide().desired).toBe(9);
  });

  test('a queue does not double the instances again before the pending ones serve requests', () => {
    const { clock, engine, report, decide } = setUp({ ...QUIET, max: 50 });
    report(4, { queueDepth: 200 });
    expect(decide().desired).toBe(8);
    clock.tick(10_000);
    report(4, { queueDepth: 400 });
    for (let i = 4; i < 8; i++) engine.recordMetrics(SERVICE, { instance: `i${i}`, ready: false });
    expect(decide()).toMatchObject({ action: 'HOLD', current: 8 });
  });

  test('pauses after a change', () => {
    const { clock, report, decide } = setUp({ ...QUIET, cooldown: 60_000 });
    report(2, { cpu: 75 });
    expect(decide().action).toBe('SCALE_UP');
    clock.tick(59_999);
    report(3, { cpu: 75 });
    expect(decide()).toMatchObject({ action: 'HOLD', reason: expect.stringContaining('held back by the pace') });
    clock.tick(1);
    expect(decide().action).toBe('SCALE_UP');
  });

  test('panics at twice the target for six seconds: neither rate limit nor windows delay scaling up', () => {
    const { clock, report, decide } = setUp({ ...QUIET, inFlight: 10, max: 50, cooldown: { up: 600_000 } });
    report(2, { inFlight: 12 });
    expect(decide().desired).toBe(3);
    clock.tick(10_000);
    report(3, { inFlight: 100 });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 30, panic: true });
    clock.tick(30_000);
    report(30, { inFlight: 0 });
    expect(decide()).toMatchObject({ action: 'HOLD', panic: true, reason: expect.stringContaining('the panic') });
    clock.tick(30_000);
    report(30, { inFlight: 0 });
    expect(decide()).toMatchObject({ action: 'SCALE_DOWN', panic: false });
  });

  test('a single high reading does not start a panic', () => {
    const { clock, report, decide } = setUp(QUIET);
    for (let i = 0; i < 5; i++) {
      report(2, { queueDepth: 2 });
      clock.tick(1000);
    }
    report(2, { queueDepth: 21 });
    expect(decide().panic).toBe(false);
  });

  test('setting the clock back does not throw, and does not scale down at once', () => {
    const { clock, report, decide } = setUp({ predictive: {} });
    clock.tick(1_000_000);
    report(3, { cpu: 60 });
    decide();
    clock.set(500_000);
    report(3, { cpu: 5 });
    expect(decide().action).toBe('HOLD');
  });
});

describe('bounds', () => {
  test('a number above max or below min is corrected regardless of the figures', () => {
    const { report, decide, engine } = setUp({ min: 2, max: 4 });
    report(6, { cpu: 95 });
    expect(decide()).toMatchObject({ action: 'SCALE_DOWN', desired: 4, reason: 'more than the most of 4' });
    for (let i = 1; i < 6; i++) engine.removeInstance(SERVICE, `i${i}`);
    report(1, { cpu: NaN });
    expect(decide()).toMatchObject({ action: 'SCALE_UP', desired: 2, reason: 'fewer than the least of 2' });
  });

  const figure = fc.oneof(fc.double(), fc.double({ min: 0, max: 200 }), fc.constant(null), fc.constant(undefined));
  const sample = fc.record({
    instance: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    ready: fc.boolean(),
    cpu: figure,
    memory: figure,
    queueDepth: figure,
    p99: figure,
    errorRate: figure,
    at: fc.oneof(fc.constant(undefined), fc.double()),
  });

  test('for any reports the result is a whole number from min to max', () => {
    const round = fc.record({
      wait: fc.integer({ min: 0, max: 400_000 }),
      samples: fc.array(sample, { maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 30 }), fc.nat(3), fc.nat(4), (rounds, min, more) => {
        const { clock, engine, decide } = setUp({ min, max: Math.max(1, min + more), predictive: { step: 1000 } });
        for (const { wait, samples } of rounds) {
          engine.recordMetrics(SERVICE, samples);
          const { desired, current, max } = decide();
          if (current > 0) expect(desired >= min && desired <= max && Number.isInteger(desired)).toBe(true);
          clock.tick(wait);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('more load never leads to fewer instances', () => {
    const load = fc.integer({ min: 0, max: 150 });
    fc.assert(
      fc.property(fc.array(load, { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 100 }), (loads, extra) => {
        const desired = [0, extra].map((more) => {
          const { engine, decide } = setUp({ ...QUIET, max: 100 });
          engine.recordMetrics(
            SERVICE,
            loads.map((cpu, i) => ({ instance: `i${i}`, cpu: cpu + more })),
          );
          return decide().desired;
        });
        expect(desired[1]).toBeGreaterThanOrEqual(desired[0]!);
      }),
    );
  });

  test('memory stays bounded: instances, history, windows', () => {
    const { clock, engine } = setUp({ predictive: { step: 1000, history: 60 } });
    for (let i = 0; i < 3000; i++) {
      engine.recordMetrics(SERVICE, { instance: `i${i % 2000}`, cpu: 50 });
      if (i % 100 === 0) engine.evaluateScaling(SERVICE);
      clock.tick(1);
    }
    expect(engine.getScalingMetrics(SERVICE)).toMatchObject({ instances: { ready: 1000 }, ignoredSamples: 1000 });
  });
});

describe('the forecast', () => {
  /** Twelve hours of a load that quadruples for five minutes of each hour; returns the decision a minute before. */
  function decideAheadOfSpike(predictive: boolean) {
    const clock = new FakeClock(0);
    const engine = new AutoScalingDecisionEngine({ clock });
    engine.setScalingPolicy(SERVICE, { min: 1, max: 20, cpu: 65, predictive: predictive && { bootTime: 60_000 } });
    const running = 20;
    for (let t = 0; t < 12 * 3_600_000 - 60_000; t += 20_000) {
      const load = t % 3_600_000 < 300_000 ? 800 : 200;
      const cpu = load / running;
      engine.recordMetrics(
        SERVICE,
        Array.from({ length: running }, (_, i) => ({ instance: `i${i}`, cpu })),
      );
      engine.evaluateScaling(SERVICE);
      clock.tick(20_000);
    }
    for (let i = 4; i < running; i++) engine.removeInstance(SERVICE, `i${i}`);
    const now = Array.from({ length: 4 }, (_, i) => ({ instance: `i${i}`, cpu: 50 }));
    engine.recordMetrics(SERVICE, now);
    engine.evaluateScaling(SERVICE);
    return { decision: engine.explain(SERVICE)!, soon: engine.predictLoadNeeded(SERVICE, 300_000), engine };
  }

  test('orders instances before a load that repeats', () => {
    const { decision, soon, engine } = decideAheadOfSpike(true);
    expect(decision).toMatchObject({ action: 'SCALE_UP', desired: 13, steps: { reactive: 4 } });
    expect(decision.forecast).toMatchObject({ trusted: true, season: 3_600_000, desired: 13 });
    expect(decision.reason).toBe('the forecast asks for 13 instances');
    expect(soon.instances).toBe(13);
    expect(soon.expectedLoad).toBeCloseTo(800 / 65, 0);
    expect(soon.confidence).toBeGreaterThan(0.5);
    expect(engine.predictLoadNeeded(SERVICE, Infinity).instances).toBe(13);
  });

  test('is ignored when it is switched off', () => {
    const { decision, soon } = decideAheadOfSpike(false);
    expect(decision).toMatchObject({ action: 'HOLD', forecast: null });
    expect(soon).toEqual({ expectedLoad: 0, instances: 4, confidence: 0 });
  });

  test('expects the current load without a history', () => {
    const { engine, report } = setUp();
    report(3, { cpu: 65 });
    expect(engine.predictLoadNeeded(SERVICE, 60_000)).toEqual({ expectedLoad: 3, instances: 3, confidence: 0 });
  });
});

describe('flapping', () => {
  /** Hours of a load that wavers around a threshold; instances follow the decisions after 20 s. */
  function changesUnderNoise(seed: number, policy: ScalingPolicy, load: number, noise: number): number {
    const { clock, engine, events } = setUp({ min: 1, max: 20, predictive: false, ...policy });
    let state = seed;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    let running = Math.ceil(load / 65);
    const starting: number[] = [];
    for (let t = 0; t < 6 * 3600; t += 10) {
      while (starting.length > 0 && starting[0]! <= t) {
        starting.shift();
        running++;
      }
      const now = load * (1 + noise * (random() * 2 - 1));
      for (let i = 0; i < running; i++)
        engine.recordMetrics(SERVICE, { instance: `i${i}`, cpu: Math.min(100, now / running) });
      starting.forEach((_, i) => engine.recordMetrics(SERVICE, { instance: `i${running + i}`, ready: false }));
      if (engine.evaluateScaling(SERVICE) !== 'HOLD') {
        const { desired } = engine.explain(SERVICE)!;
        while (running + starting.length < desired) starting.push(t + 20);
        while (running > desired) engine.removeInstance(SERVICE, `i${--running}`);
      }
      clock.tick(10_000);
    }
    return events.length;
  }

  test.each([0.02, 0.05, 0.1, 0.2])('noise of %d around the upper threshold: it grows a little and stays', (noise) => {
    for (const instances of [1, 2, 3, 5, 8]) {
      expect(changesUnderNoise(instances, {}, 70 * instances, noise)).toBeLessThanOrEqual(3);
    }
  });

  test.each([0.02, 0.05, 0.1, 0.2])('noise of %d around the lower threshold: it shrinks once, if at all', (noise) => {
    for (const instances of [2, 3, 5, 8]) {
      expect(changesUnderNoise(instances, {}, 30 * instances, noise)).toBeLessThanOrEqual(2);
    }
  });
});

describe('the engine', () => {
  test('calls listeners only on changes, survives their errors, and does not call them after their removal', () => {
    const { engine, report, events } = setUp(QUIET);
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const remove = engine.onScalingDecision(() => {
      throw new Error('broken');
    });
    report(2, { cpu: 50 });
    engine.evaluateScaling(SERVICE);
    expect(events).toEqual([]);
    report(2, { cpu: 90 });
    expect(engine.evaluateScaling(SERVICE)).toBe('SCALE_UP');
    expect(events).toEqual([engine.explain(SERVICE)]);
    expect(warn).toHaveBeenCalledTimes(1);
    remove();
    report(2, { cpu: 100 });
    engine.evaluateScaling(SERVICE);
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });

  test('explains every number', () => {
    const { report, decide } = setUp({ ...QUIET, max: 3 });
    report(2, { cpu: 100, p99: 100 });
    expect(decide()).toEqual({
      service: SERVICE,
      at: 0,
      action: 'SCALE_UP',
      current: 2,
      desired: 3,
      reason: 'cpu 100 above 70 asks for 4 instances',
      instances: { ready: 2, missing: 0, warming: 0 },
      pending: 0,
      metrics: [
        { metric: 'cpu', value: 100, adjusted: 100, target: 65, up: 70, down: 55, desired: 4, note: 'above' },
        { metric: 'p99', value: 100, adjusted: null, target: 500, up: 500, down: null, desired: null, note: 'fine' },
      ],
      unknown: [],
      steps: { reactive: 4, forecast: 4, bounded: 3, stabilized: 3, paced: 3 },
      panic: false,
      forecast: null,
      demand: null,
      min: 1,
      max: 3,
    });
  });

  test('knows several services, and forgets them', () => {
    const { engine } = setUp(QUIET);
    engine.recordMetrics('coach', { cpu: 90 });
    expect(engine.evaluateScaling('coach')).toBe('SCALE_UP');
    expect(Object.keys(engine.getScalingMetrics())).toEqual([SERVICE, 'coach']);
    expect(engine.getScalingMetrics('coach')).toMatchObject({ decisions: { SCALE_UP: 1, SCALE_DOWN: 0, HOLD: 0 } });
    expect(engine.removeService('coach')).toBe(true);
    expect(engine.getScalingMetrics('coach')).toBeUndefined();
    expect(engine.explain('nobody')).toBeUndefined();
  });

  test('keeps the instances when the policy changes', () => {
    const { engine, report, decide } = setUp(QUIET);
    report(2, { cpu: 60 });
    engine.setScalingPolicy(SERVICE, { ...QUIET, cpu: 20 });
    expect(decide()).toMatchObject({ current: 2, desired: 6 });
  });

  test.each<[ScalingPolicy, RegExp]>([
    [{ min: 3, max: 2 }, /min ≤ max, got min 3, max 2/],
    [{ cpu: 0 }, /'cpu'/],
    [{ cpu: { target: 50, up: 40 } }, /cpu: expected down ≤ target ≤ up/],
    [{ cpu: { up: 70 } as never }, /'target' is missing/],
    [{ cpus: 3 } as never, /unknown option 'cpus'; did you mean 'cpu'/],
    [{ stabilization: Infinity }, /'stabilization'/],
    [{ cooldown: { up: -1 } }, /'up'/],
    [{ rateLimit: { up: { percent: 10 } as never, sideways: {} } as never }, /'sideways'/],
    [{ predictive: { step: 1 } }, /'step'/],
  ])('refuses %j', (policy, message) => {
    const { engine } = setUp();
    expect(() => engine.setScalingPolicy(SERVICE, policy)).toThrow(message);
  });

  test('refuses invalid services, reports and windows', () => {
    const { engine } = setUp();
    expect(() => engine.setScalingPolicy('', {})).toThrow(RangeError);
    expect(() => engine.recordMetrics(SERVICE, 5 as never)).toThrow(TypeError);
    expect(() => engine.predictLoadNeeded(SERVICE, -1)).toThrow(RangeError);
    expect(() => new AutoScalingDecisionEngine({ clock: 5 as never })).toThrow(TypeError);
  });
});
