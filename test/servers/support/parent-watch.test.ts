import { watchForOrchestrator } from '../../../servers/support/parent-watch.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

function watch() {
  const clock = new FakeClock(0);
  const state = { isThere: false, ended: 0 };
  const stop = watchForOrchestrator({
    clock,
    isThere: () => Promise.resolve(state.isThere),
    onGone: () => state.ended++,
  });
  return { clock, state, stop };
}

test('it ends once after a minute without an orchestrator', async () => {
  const { clock, state } = watch();
  await clock.advance(59_000);
  expect(state.ended).toBe(0);
  await clock.advance(60_000);
  expect(state.ended).toBe(1);
  expect(clock.pendingTimers).toBe(0);
});

test('the next orchestrator keeps it running, and its exit is noticed too', async () => {
  const { clock, state, stop } = watch();
  await clock.advance(50_000);
  state.isThere = true;
  await clock.advance(600_000);
  expect(state.ended).toBe(0);
  state.isThere = false;
  await clock.advance(62_000);
  expect(state.ended).toBe(1);
  stop();
});

test('a stopped watch makes no more checks', async () => {
  const { clock, state, stop } = watch();
  stop();
  await clock.advance(120_000);
  expect(state.ended).toBe(0);
  expect(clock.pendingTimers).toBe(0);
});
