/** Ten minutes of noise: no request fails that the machine could serve, and the number of instances does not flap. */
import fc from '../../support/fast-check.js';
import { seededRandom } from '../../support/seeded-random.js';
import { CAPACITY, underNoise, unservable, type Change, type Noise } from './noise.js';

const SECONDS = 600;
/** Seconds before the noise, in which the engine has seen the service idle. */
const CALM = 60;
/** Seconds of the window in which a load may return. */
const DOWN_WINDOW = 300;

/** Spans of five to sixty seconds of a random load each, with noise on it, and at times a burst of a second. */
function randomLoad(seed: number, highest: number): number[] {
  const random = seededRandom(seed);
  const arrivals = Array<number>(CALM).fill(5);
  while (arrivals.length < CALM + SECONDS) {
    const level = highest * random() ** 2;
    const length = 5 + Math.floor(55 * random());
    for (let i = 0; i < length; i++) {
      const burst = random() < 0.02 ? highest : 0;
      arrivals.push(Math.round(level * (0.5 + random()) + burst));
    }
  }
  return arrivals.slice(0, CALM + SECONDS);
}

const noise = fc
  .record({
    seed: fc.nat(),
    max: fc.integer({ min: 2, max: 8 }),
    boot: fc.integer({ min: 1, max: 6 }),
    load: fc.double({ min: 0.1, max: 1, noNaN: true }),
  })
  .map(({ seed, max, boot, load }): Noise => ({ arrivals: randomLoad(seed, load * max * CAPACITY), max, boot }));

/** No instance ends within the down window after one was started. */
function expectNoFlapping(changes: readonly Change[]): void {
  let grownAt = -Infinity;
  for (const { second, from, to } of changes) {
    if (to > from) grownAt = second;
    else expect(second - grownAt).toBeGreaterThanOrEqual(DOWN_WINDOW);
  }
}

test('no request fails that the machine could serve, no instance ends soon after a start, and callers explain each growth', () => {
  let explained = 0;
  fc.assert(
    fc.property(noise, (one) => {
      const { failed, changes } = underNoise(one);
      expect(failed).toBeLessThanOrEqual(unservable(one));
      expectNoFlapping(changes);
      // At times no caller has a request in flight just then.
      const growths = changes.filter(({ from, to, inFlight }) => to > from && inFlight > 0);
      for (const { reason } of growths) expect(reason).toMatch(/callers have \d+ in flight/);
      explained += growths.length;
    }),
    { numRuns: 150 },
  );
  expect(explained).toBeGreaterThan(100);
});

test('where the load is more than one instance serves, it grows, and grows again after it shrank at most once', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { changes } = underNoise({ arrivals: randomLoad(seed, 400), max: 4, boot: 2 });
    const ways = changes.map(({ from, to }) => Math.sign(to - from));
    expect(ways[0]).toBe(1);
    // Ten minutes have room for the down window of one growth, and for the next growth.
    expect(ways.filter((way, i) => way === 1 && ways[i - 1] === -1).length).toBeLessThanOrEqual(1);
  }
});
