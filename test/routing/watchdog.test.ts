/** Silence is noticed at the same time, whether a watchdog shares the timer of others or has its own. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Watchdog, WatchQueue } from '../../src/routing/forwarding/watchdog.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

class Watched extends Watchdog {
  readonly silentAt: number[] = [];
  readonly #now: () => number;

  constructor(queue: WatchQueue, limit: number) {
    super(queue, limit);
    this.#now = () => queue.clock.now();
    this.startWatching();
  }

  limit(limit: number): void {
    this.limitSilence(limit);
  }

  again(): void {
    this.startWatching();
  }

  stop(): void {
    this.stopWatching();
  }

  protected override onSilence(): void {
    this.silentAt.push(this.#now());
  }
}

let clock: FakeClock;
let queue: WatchQueue;
beforeEach(() => {
  clock = new FakeClock(0);
  queue = new WatchQueue(clock, 1000);
});

test('each is silent in its own time, and all share one timer', () => {
  const first = new Watched(queue, 1000);
  clock.tick(300);
  const second = new Watched(queue, 1000);
  const other = new Watched(queue, 500);
  expect(clock.pendingTimers).toBe(2);
  clock.tick(5000);
  expect([first.silentAt, second.silentAt, other.silentAt]).toEqual([[1000], [1300], [800]]);
  expect(clock.pendingTimers).toBe(0);
});

test('progress delays one, and not those behind it', () => {
  const first = new Watched(queue, 1000);
  const second = new Watched(queue, 1000);
  clock.tick(900);
  first.progressed();
  clock.tick(5000);
  expect([first.silentAt, second.silentAt]).toEqual([[1900], [1000]]);
});

test('a longer limit holds from the last progress, a shorter one at once', () => {
  const [longer, shorter] = [new Watched(queue, 1000), new Watched(queue, 1000)];
  clock.tick(400);
  longer.limit(3000);
  shorter.limit(200);
  clock.tick(5000);
  expect([longer.silentAt, shorter.silentAt]).toEqual([[3400], [600]]);
});

test.each([0, 1, 2])('the one at place %i leaves the queue alone', (place) => {
  const all = [0, 100, 200].map(() => {
    const watched = new Watched(queue, 1000);
    clock.tick(100);
    return watched;
  });
  all[place]!.stop();
  all[place]!.again(); // has no effect
  clock.tick(5000);
  const expected = [[1000], [1100], [1200]].map((times, index) => (index === place ? [] : times));
  expect(all.map(({ silentAt }) => silentAt)).toEqual(expected);
  expect(clock.pendingTimers).toBe(0);
});

test('one that begins anew when it is checked waits behind those in the queue', () => {
  const first = new Watched(queue, 1000);
  clock.tick(10);
  const second = new Watched(queue, 1000);
  clock.tick(990);
  first.again();
  clock.tick(5000);
  expect([first.silentAt, second.silentAt]).toEqual([[1000, 2000], [1010]]);
});

test('the last one that leaves stops the timer', () => {
  const [first, second] = [new Watched(queue, 1000), new Watched(queue, 1000)];
  second.stop();
  first.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('the timer does not keep the context of the request that starts it', () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const contextual = new WatchQueue(
    { now: () => 0, setTimer: () => (seen.push(storage.getStore()), { cancel() {} }) },
    1000,
  );
  storage.run('request', () => new Watched(contextual, 1000));
  expect(seen).toEqual([undefined]);
});
