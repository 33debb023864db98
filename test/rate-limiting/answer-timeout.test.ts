import { withinTimeout } from '../../src/rate-limiting/answer-timeout.js';
import { monotonicClock } from '../../src/shared/clock.js';

const late = (): Error => new Error('late');
const never = new Promise<never>(() => undefined);

test('an answer in time is returned, and a failure is passed on', async () => {
  expect(await withinTimeout(Promise.resolve(1), 1000, late)).toBe(1);
  await expect(withinTimeout(Promise.reject(new Error('broken')), 1000, late)).rejects.toThrow('broken');
});

test('nothing is rejected before its time, because servers accept a command until then', async () => {
  // Node's timers count whole milliseconds: most of these would fire up to one too early.
  for (let i = 0; i < 50; i++) {
    const sent = monotonicClock.now();
    await expect(withinTimeout(never, 1, late)).rejects.toThrow('late');
    expect(monotonicClock.now() - sent).toBeGreaterThan(1);
  }
});
