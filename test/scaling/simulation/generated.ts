/**
 * Seeded loads that differ in kind: seasons of a day and a week, trends, batches, bursts, noise, level shifts and
 * outages. The constants of the engine are chosen on these, and never on measured loads.
 */
import { seededRandom } from '../../support/seeded-random.js';
import { scaleToMean } from './trace.js';
import { DAY, HOUR } from './workloads.js';

type Random = () => number;
/** A factor or a summand of the rate at a second. */
type Part = (second: number) => number;

/** Seconds between two measurements of a monitoring system. */
const SAMPLE = 300;
const FAST_NOISE = 0.04;

const between = (random: Random, low: number, high: number): number => low + (high - low) * random();

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The part in a share of the series, otherwise nothing. The random numbers are drawn in any case. */
function sometimes(random: Random, share: number, part: Part, nothing: number): Part {
  return random() < share ? part : () => nothing;
}

/** Times at random, on average one in `every` seconds. */
function randomTimes(random: Random, length: number, every: number): number[] {
  const times: number[] = [];
  for (let at = 0; (at += -every * Math.log(1 - random())) < length;) times.push(at);
  return times;
}

function seasons(random: Random): Part {
  const [depth, power, phase] = [between(random, 0.2, 0.9), between(random, 1, 3), DAY * random()];
  const [weekend, firstDay] = [between(random, 0.5, 1), Math.floor(7 * random())];
  return (second) => {
    const wave = ((1 - Math.cos((2 * Math.PI * (second + phase)) / DAY)) / 2) ** power;
    const isWeekend = (Math.floor(second / DAY) + firstDay) % 7 >= 5;
    return (1 - depth + depth * wave) * (isWeekend ? weekend : 1);
  };
}

function trend(random: Random, length: number): Part {
  const end = between(random, 0.5, 2);
  return (second) => 1 + ((end - 1) * second) / length;
}

function batches(random: Random): Part {
  const period = [HOUR / 3, HOUR, 3 * HOUR, 6 * HOUR][Math.floor(4 * random())]!;
  const [phase, length, height] = [period * random(), between(random, 180, 900), between(random, 0.3, 2)];
  return (second) => ((second + phase) % period < Math.min(length, period / 2) ? height : 0);
}

function bursts(random: Random, length: number): Part {
  const burstTimes = randomTimes(random, length, between(random, HOUR, 8 * HOUR));
  const all = burstTimes.map((start) => ({
    start,
    ...{ height: between(random, 0.3, 3), rise: between(random, 5, 300), lasts: between(random, 120, 1200) },
  }));
  let first = 0;
  return (second) => {
    while (first < all.length && second - all[first]!.start > 6 * HOUR) first++;
    let sum = 0;
    for (let i = first; i < all.length && all[i]!.start <= second; i++) {
      const { start, height, rise, lasts } = all[i]!;
      const age = second - start;
      sum += height * Math.min(1, age / rise) * (age < lasts ? 1 : Math.exp((lasts - age) / 300));
    }
    return sum;
  };
}

/** Log-normal noise that changes every few minutes. */
function slowNoise(random: Random, length: number): Part {
  const [size, memory] = [between(random, 0.02, 0.35), between(random, 0.3, 0.95)];
  let state = 0;
  const knots = Array.from({ length: Math.ceil(length / SAMPLE) + 2 }, () => {
    state = memory * state + Math.sqrt(1 - memory ** 2) * normal(random);
    return Math.exp(size * state);
  });
  return (second) => {
    const knot = Math.floor(second / SAMPLE);
    return knots[knot]! + ((knots[knot + 1]! - knots[knot]!) * (second % SAMPLE)) / SAMPLE;
  };
}

function levelShifts(random: Random, length: number): Part {
  const times = randomTimes(random, length, 2 * DAY);
  const factors = times.map(() => between(random, 0.6, 1.8));
  return (second) => factors.reduce((product, factor, i) => (second >= times[i]! ? product * factor : product), 1);
}

/** Almost no load for some minutes, and then the requests of those who waited. */
function outages(random: Random, length: number): Part {
  const all = randomTimes(random, length, 2 * DAY).map((start) => ({
    start,
    ...{ lasts: between(random, 300, 1200), surge: between(random, 0.2, 0.8) },
  }));
  return (second) =>
    all.reduce((product, { start, lasts, surge }) => {
      const age = second - start;
      if (age < 0) return product;
      return product * (age < lasts ? 0.03 : 1 + surge * Math.exp((lasts - age) / 300));
    }, 1);
}

/** Only what a monitoring system keeps: one value per five minutes, linear between them. */
function sampled(rates: Float64Array): Float64Array {
  return rates.map((_, second) => {
    const before = Math.floor(second / SAMPLE) * SAMPLE;
    const [from, to] = [rates[before]!, rates[Math.min(rates.length - 1, before + SAMPLE)]!];
    return from + ((to - from) * (second - before)) / SAMPLE;
  });
}

/** The request rate of every second of a generated load. */
export function generatedRates(seed: number, days: number, mean: number): Float64Array {
  const random = seededRandom(seed * 7919);
  const length = days * DAY;
  const factors = [
    sometimes(random, 0.7, seasons(random), 1),
    sometimes(random, 0.3, trend(random, length), 1),
    sometimes(random, 0.7, slowNoise(random, length), 1),
    sometimes(random, 0.25, levelShifts(random, length), 1),
    sometimes(random, 0.3, outages(random, length), 1),
  ];
  const summands = [sometimes(random, 0.3, batches(random), 0), sometimes(random, 0.5, bursts(random, length), 0)];
  const isSampled = random() < 0.5;
  let noise = 0;
  const rates = new Float64Array(length).map((_, second) => {
    noise = 0.9 * noise + 0.44 * (random() * 2 - 1); // correlated over some ten seconds
    const base = factors.reduce((product, factor) => product * factor(second), 1);
    const added = summands.reduce((sum, part) => sum + part(second), 0);
    return Math.max(0, (base + added) * (1 + FAST_NOISE * noise));
  });
  return scaleToMean(isSampled ? sampled(rates) : rates, mean);
}
