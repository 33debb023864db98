import { AutoScalingDecisionEngine, type ScheduledBounds } from '../../src/scaling/index.js';
import { boundsAt, parseSchedule } from '../../src/scaling/schedule.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const OFFICE: ScheduledBounds = { start: '0 8 * * 1-5', end: '0 18 * * 1-5', timeZone: 'Europe/Berlin', min: 3 };
const isActive = (entry: ScheduledBounds, at: string): boolean =>
  parseSchedule('s', [entry])[0]!.isActive(Date.parse(at));

test.each<[string, ScheduledBounds, string, boolean]>([
  ['before it begins', OFFICE, '2026-01-05T06:59:59Z', false],
  ['when it begins, in winter', OFFICE, '2026-01-05T07:00:00Z', true],
  ['when it begins, in summer: the clock on the wall decides', OFFICE, '2026-07-06T06:00:00Z', true],
  ['an hour earlier in summer', OFFICE, '2026-07-06T05:59:00Z', false],
  ['when it ends', OFFICE, '2026-01-05T17:00:00Z', false],
  ['on a Saturday', OFFICE, '2026-01-10T10:00:00Z', false],
  ['over midnight', { start: '0 22 * * *', end: '0 6 * * *', min: 2 }, '2026-01-05T03:00:00Z', true],
  ['after a night', { start: '0 22 * * *', end: '0 6 * * *', min: 2 }, '2026-01-05T06:00:00Z', false],
  ['a weekend', { start: '0 0 * * 6', end: '0 0 * * 1', max: 1 }, '2026-01-11T23:59:00Z', true],
  ['after a weekend', { start: '0 0 * * 6', end: '0 0 * * 1', max: 1 }, '2026-01-12T00:00:00Z', false],
  ['Sunday as 7', { start: '0 0 * * 7', end: '0 12 * * 7', min: 2 }, '2026-01-11T11:00:00Z', true],
  ['every other hour', { start: '0 */2 * * *', end: '30 */2 * * *', min: 2 }, '2026-01-05T04:10:00Z', true],
  ['between', { start: '0 */2 * * *', end: '30 */2 * * *', min: 2 }, '2026-01-05T05:10:00Z', false],
  ['either day, where both are given', { start: '0 0 1 * 1', end: '0 23 * * *', min: 2 }, '2026-01-01T05:00:00Z', true],
  ['once a year', { start: '0 0 24 12 *', end: '0 0 27 12 *', min: 2 }, '2026-12-26T05:00:00Z', true],
  ['a day that never is', { start: '0 0 31 2 *', end: '0 1 * * *', min: 2 }, '2026-03-01T00:30:00Z', false],
  ['a start that daylight saving skips', { start: '30 2 * * *', end: '0 5 * * *', timeZone: 'Europe/Berlin' }, '2026-03-29T01:30:00Z', true], // prettier-ignore
])('%s', (_, entry, at, expected) => {
  expect(isActive(entry, at)).toBe(expected);
});

test('of overlapping spans the highest bounds apply, and the maximum is never below the minimum', () => {
  const all = { start: '* * * * *', end: '0 0 31 2 *' };
  const spans = parseSchedule('s', [
    { ...all, min: 2, max: 3 },
    { ...all, min: 5 },
  ]);
  expect(boundsAt(spans, 1, 4, 0)).toEqual({ min: 5, max: 5 });
});

test.each<[Partial<ScheduledBounds>, RegExp]>([
  [{ start: '0 8 * *' }, /schedule\[0\]: start: expected the five fields/],
  [{ start: '61 8 * * *' }, /minute from 0 to 59, got '61'/],
  [{ end: '0 8 * * mon' }, /day of week of cron/],
  [{ start: '5-1 * * * *' }, /got '5-1'/],
  [{ timeZone: 'Mars/Olympus' }, /Mars/],
  [{ min: -1 }, /'min'/],
])('%j is refused', (change, message) => {
  const engine = new AutoScalingDecisionEngine();
  expect(() => engine.setScalingPolicy('s', { schedule: [{ ...OFFICE, ...change }] })).toThrow(message);
});

test('the engine applies the bounds of the schedule', () => {
  const calendar = new FakeClock(Date.parse('2026-01-05T06:30:00Z'));
  const engine = new AutoScalingDecisionEngine({ clock: new FakeClock(0), calendar });
  engine.setScalingPolicy('s', {
    min: 1,
    max: 4,
    stabilization: 0,
    cooldown: 0,
    predictive: false,
    schedule: [OFFICE],
  });
  engine.recordMetrics('s', { instance: 'a', cpu: 50 });
  expect(engine.evaluateScaling('s')).toBe('HOLD');
  calendar.tick(3_600_000);
  expect(engine.evaluateScaling('s')).toBe('SCALE_UP');
  expect(engine.explain('s')).toMatchObject({ desired: 3, min: 3, reason: 'fewer than the least of 3' });
});
