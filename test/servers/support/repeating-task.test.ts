import { FakeClock } from '../../../src/testing/fake-clock.js';
import { repeatingTask } from '../../../servers/support/repeating-task.js';

function task(run: (signal: AbortSignal) => Promise<void>, onError: (error: unknown) => void = () => {}) {
  const clock = new FakeClock();
  return { clock, task: repeatingTask({ clock, interval: 100, maxBackoff: 1000, run, onError }) };
}

test('runs after each interval, measured from the end of the run before', async () => {
  let runs = 0;
  const { clock, task: made } = task(async () => void runs++);
  await clock.advance(99);
  expect(runs).toBe(0);
  await clock.advance(1);
  expect(runs).toBe(1);
  await clock.advance(300);
  expect(runs).toBe(4);
  await made.close();
  expect(clock.pendingTimers).toBe(0);
});

test('the first run may come sooner', async () => {
  const clock = new FakeClock(0);
  const at: number[] = [];
  const run = async () => void at.push(clock.now());
  const made = repeatingTask({ clock, interval: 100, firstAfter: 10, maxBackoff: 1000, run, onError: () => {} });
  await clock.advance(250);
  expect(at).toEqual([10, 110, 210]);
  await made.close();
});

test('never overlaps itself', async () => {
  let running = 0;
  let most = 0;
  let finish = (): void => {};
  const { clock, task: made } = task(async () => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => (finish = resolve));
    running--;
  });
  await clock.advance(1000);
  expect(running).toBe(1);
  finish();
  await clock.advance(100);
  expect([running, most]).toEqual([1, 1]);
  const closed = made.close();
  finish();
  await closed;
  expect(running).toBe(0);
});

test('failures double the wait up to the longest, a success ends it', async () => {
  const clock = new FakeClock(0);
  const at: number[] = [];
  let failing = true;
  const errors: unknown[] = [];
  const made = repeatingTask({
    clock,
    interval: 100,
    maxBackoff: 500,
    run: async () => {
      at.push(clock.now());
      if (failing) throw new Error('away');
    },
    onError: (error) => {
      errors.push(error);
      throw new Error('a listener that fails');
    },
  });
  await clock.advance(1500);
  expect(at).toEqual([100, 300, 700, 1200]);
  expect(made.failures).toBe(4);
  expect(errors).toHaveLength(4);
  failing = false;
  await clock.advance(500);
  expect(made.failures).toBe(0);
  await clock.advance(200);
  expect(at).toEqual([100, 300, 700, 1200, 1700, 1800, 1900, 2000, 2100, 2200]);
  await made.close();
});

test('close aborts the signal of the run under way and waits for it', async () => {
  let ended = false;
  const { clock, task: made } = task(async (signal) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    ended = true;
  });
  await clock.advance(100);
  await made.close();
  expect(ended).toBe(true);
  expect(clock.pendingTimers).toBe(0);
  await made.close();
});
