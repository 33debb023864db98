/** A timer that fires after the sockets have been read. */
import { TurnTimer } from '../../src/routing/forwarding/turn-timer.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start() {
  const clock = new FakeClock();
  let fired = 0;
  const timer = new TurnTimer(clock, () => fired++, 10);
  return { clock, timer, fired: () => fired };
}

test('fires once, in the second turn after its time', async () => {
  const { clock, fired } = start();
  clock.tick(9);
  for (let i = 0; i < 3; i++) await turn();
  expect(clock.pendingTimers).toBe(1);
  clock.tick(1);
  await turn();
  expect(fired()).toBe(0);
  for (let i = 0; i < 3; i++) await turn();
  expect(fired()).toBe(1);
});

test.each([0, 1])('never fires if it is cancelled %i turns after its time', async (turns) => {
  const { clock, timer, fired } = start();
  clock.tick(10);
  for (let i = 0; i < turns; i++) await turn();
  timer.cancel();
  for (let i = 0; i < 3; i++) await turn();
  expect(fired()).toBe(0);
});

test('never fires if it is cancelled before its time', () => {
  const { clock, timer } = start();
  timer.cancel();
  expect(clock.pendingTimers).toBe(0);
});
