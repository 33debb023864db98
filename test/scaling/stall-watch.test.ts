/** Decides whether an unhealthy instance hangs or is busy. */
import { StallWatch, type Signs } from '../../src/scaling/stall-watch.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

let clock: FakeClock;
let signs: Signs;
let stalled: string[];
let watch: StallWatch;

beforeEach(() => {
  clock = new FakeClock(0);
  signs = { answered: undefined, writes: undefined };
  stalled = [];
  watch = new StallWatch({ clock, window: 15_000, signsOf: () => signs, onStalled: (id) => stalled.push(id) });
  watch.begin('a');
});
afterEach(() => {
  watch.close();
  expect(clock.pendingTimers).toBe(0);
});

/** Advances the clock by `count` seconds, with the signs that `change` returns for each. */
async function seconds(count: number, change: (second: number) => Partial<Signs> = () => ({})): Promise<void> {
  for (let i = 0; i < count; i++) {
    signs = { ...signs, ...change(i) };
    await clock.advance(1000);
  }
}

test('an instance that completes nothing for the whole window is stalled, and not earlier', async () => {
  signs = { answered: undefined, writes: 7 };
  await seconds(14);
  expect(stalled).toEqual([]);
  await seconds(1);
  expect(stalled).toEqual(['a']);
});

test('an instance that writes, or whose callers get responses, is busy without a time limit', async () => {
  await seconds(100, (writes) => ({ writes }));
  await seconds(100, (answered) => ({ answered, writes: 0 }));
  expect(stalled).toEqual([]);
});

test('for an instance with requests in flight, writes without a response are not progress', async () => {
  await seconds(20, (writes) => ({ answered: 5, writes }));
  expect(stalled).toEqual(['a']);
});

test('without any signs the window alone decides', async () => {
  await seconds(15);
  expect(stalled).toEqual(['a']);
});

test('an instance that responds again is no longer watched', async () => {
  await seconds(14);
  watch.end('a');
  await seconds(60);
  expect(stalled).toEqual([]);
});

test('an instance that stays unhealthy is reported as stalled again after another window', async () => {
  await seconds(31);
  expect(stalled).toEqual(['a', 'a']);
});
