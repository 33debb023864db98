/** Seeded request rates over days. Predictable workloads repeat; random ones are only similar from day to day. */
import { seededRandom } from '../../support/seeded-random.js';

export const HOUR = 3600;
export const DAY = 24 * HOUR;

export interface Workload {
  readonly name: string;
  readonly predictable: boolean;
  /** The request rate of every second of `days` days. */
  readonly rates: (days: number, seed: number) => Float64Array;
}

/** Relative size of the noise around the mean rate. It is slow enough for a sample to measure, and never repeats. */
const NOISE = 0.04;

const wave = (second: number, period: number): number => (1 - Math.cos((2 * Math.PI * second) / period)) / 2;

/** The mean rate of each second, with noise. */
function noisy(days: number, random: () => number, mean: (second: number) => number): Float64Array {
  const rates = new Float64Array(days * DAY);
  // Each seed has a different size, because how the rates fit whole instances would otherwise decide the comparison.
  const size = 0.7 + 0.8 * random();
  let noise = 0;
  for (let second = 0; second < rates.length; second++) {
    noise = 0.9 * noise + 0.44 * (random() * 2 - 1); // correlated over some ten seconds, deviation about 0.6
    rates[second] = Math.max(0, size * mean(second) * (1 + NOISE * noise));
  }
  return rates;
}

const isWithin = (second: number, period: number, start: number, length: number): boolean => {
  const position = second % period;
  return position >= start && position < start + length;
};

/**
 * Batches every `period`, which differ per seed: they last four to ten minutes, have two to five times the load between
 * them, and begin at any second.
 */
function batches(name: string, period: number): Workload {
  return {
    name,
    predictable: true,
    rates: (days, seed) => {
      const random = seededRandom(seed);
      const [phase, length, height] = [period * random(), 240 + 360 * random(), 2 + 3 * random()];
      return noisy(days, random, (second) => 200 * (isWithin(second + phase, period, 0, length) ? height : 1));
    },
  };
}

/** Random episodes, on average one in `every` seconds. `shape` gives the height by the age of an episode. */
function episodes(random: () => number, every: number, height: () => number, shape: (age: number) => number) {
  let running: Array<{ readonly start: number; readonly height: number }> = [];
  return (second: number): number => {
    if (random() < 1 / every) running.push({ start: second, height: height() });
    running = running.filter(({ start }) => shape(second - start) > 0.01);
    return running.reduce((sum, { start, height: peak }) => sum + peak * shape(second - start), 0);
  };
}

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'diurnal',
    predictable: true,
    rates: (days, seed) => noisy(days, seededRandom(seed), (second) => 150 + 650 * wave(second, DAY)),
  },
  {
    name: 'hourly batch, five minutes',
    predictable: true,
    rates: (days, seed) => noisy(days, seededRandom(seed), (second) => (isWithin(second, HOUR, 0, 300) ? 900 : 200)),
  },
  batches('batches every twenty minutes', HOUR / 3),
  batches('batches every three hours', 3 * HOUR),
  batches('batches every six hours', 6 * HOUR),
  {
    name: 'office day with a rush each half hour',
    predictable: true,
    rates: (days, seed) =>
      noisy(days, seededRandom(seed), (second) => {
        const isOpen = isWithin(second, DAY, 8 * HOUR, 10 * HOUR);
        return 150 + (isOpen ? 250 : 0) + (isOpen && isWithin(second, HOUR / 2, 0, 360) ? 450 : 0);
      }),
  },
  {
    name: 'bursts at random',
    predictable: false,
    rates: (days, seed) => {
      const random = seededRandom(seed);
      const burst = episodes(
        random,
        HOUR / 2,
        () => 200 + 500 * random(),
        (age) => (age < 240 ? 1 : 0),
      );
      return noisy(days, random, (second) => 200 + burst(second));
    },
  },
  {
    name: 'flash crowds at random',
    predictable: false,
    rates: (days, seed) => {
      const random = seededRandom(seed);
      const crowd = episodes(
        random,
        4 * HOUR,
        () => 400 + 800 * random(),
        (age) => Math.min(1, (age + 2) / 120) * Math.exp(-age / 1200),
      );
      return noisy(days, random, (second) => 200 + crowd(second));
    },
  },
  {
    name: 'random walk',
    predictable: false,
    rates: (days, seed) => {
      const random = seededRandom(seed);
      let level = 400;
      return noisy(days, random, () => {
        level += 1.6 * (random() * 2 - 1) + (450 - level) * 1e-5;
        return (level = Math.min(1000, Math.max(100, level)));
      });
    },
  },
];
