// Ways to tell percentiles of latencies without keeping them: what counting one costs, how much memory it takes, and how far its
// percentiles are from the true ones. Latencies of several kinds: around one value, of two kinds of answers, with a long tail.
import { DDSketch } from '@datadog/sketches-js';
import { build } from 'hdr-histogram-js';
import tdigest from 'tdigest';
import { bytesHeldBy } from '../memory.js';
import { publishRates, undisturbedRate } from '../rates.js';
import { shuffled } from '../harness.js';
import { machine, whole } from '../report.js';
import { importTypescript } from '../typescript.js';

const { QuantileSketch } = await importTypescript('src/tracing/sketch.ts');
const VALUES = 200_000;
const QUANTILES = [0.5, 0.95, 0.99, 0.999];
/** Upper bounds that OpenTelemetry advises for request durations, in ms. */
const BUCKETS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const SKETCHES = 200;
const rounds = Number(process.env.ROUNDS ?? 5);

/** Prometheus' way: counts between bounds; between two of them values are taken to lie evenly. */
class Buckets {
  #counts = new Float64Array(BUCKETS.length + 1);
  #total = 0;
  add(value) {
    let i = 0;
    while (i < BUCKETS.length && value > BUCKETS[i]) i++;
    this.#counts[i]++;
    this.#total++;
  }
  quantile(q) {
    let left = q * this.#total;
    for (let i = 0; i < BUCKETS.length; i++) {
      if (left <= this.#counts[i]) {
        const low = i === 0 ? 0 : BUCKETS[i - 1];
        return low + ((BUCKETS[i] - low) * left) / (this.#counts[i] || 1);
      }
      left -= this.#counts[i];
    }
    return BUCKETS.at(-1);
  }
}

/** By name: makes one, with `add` and `quantile`. */
const ways = {
  ours: () => new QuantileSketch(),
  '@datadog/sketches-js': () => {
    const sketch = new DDSketch({ relativeAccuracy: 0.01 });
    return { add: (value) => sketch.accept(value), quantile: (q) => sketch.getValueAtQuantile(q) };
  },
  // Whole numbers only: microseconds, up to an hour.
  'hdr-histogram-js': () => {
    const histogram = build({ highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: 2 });
    return {
      add: (value) => histogram.recordValue(Math.round(value * 1000)),
      quantile: (q) => histogram.getValueAtPercentile(q * 100) / 1000,
    };
  },
  tdigest: () => {
    const digest = new tdigest.TDigest();
    return { add: (value) => digest.push(value), quantile: (q) => digest.percentile(q) };
  },
  'buckets, as Prometheus has them': () => new Buckets(),
};

/** Two standard normal numbers become one; the same ones in every run. */
let seed = 1;
const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) + 0.5) / 2 ** 32;
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());

const latencies = {
  'around one value': () => 20 * Math.exp(0.4 * normal()),
  'two kinds': () => (random() < 0.9 ? 0.4 : 130) * Math.exp(0.2 * normal()),
  'long tail': () => Math.min(60_000, 2 / random() ** 0.7),
};
const values = Object.fromEntries(
  Object.entries(latencies).map(([name, draw]) => [name, Float64Array.from({ length: VALUES }, draw)]),
);

/** The largest relative error of any percentile in any of the latency distributions. */
function largestError(way) {
  const errors = Object.values(values).flatMap((list) => {
    const sketch = way();
    for (const value of list) sketch.add(value);
    const sorted = Float64Array.from(list).sort();
    return QUANTILES.map((q) => {
      const exact = sorted[Math.floor(q * (VALUES - 1))];
      return Math.abs(sketch.quantile(q) - exact) / exact;
    });
  });
  return `${(100 * Math.max(...errors)).toFixed(1)} %`;
}

/** Bytes of one that has counted two thousand latencies of two kinds: as many are kept as there are routes. */
async function bytesOf(way) {
  const bytes = await bytesHeldBy(() => {
    const sketches = Array.from({ length: SKETCHES }, way);
    for (const sketch of sketches) for (let i = 0; i < 2000; i++) sketch.add(values['two kinds'][i]);
    for (const sketch of sketches) sketch.quantile(0.5); // what waits to be counted is
    return sketches;
  });
  return bytes / SKETCHES;
}

const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(Object.keys(ways))) {
    const sketch = ways[name]();
    const list = values['two kinds'];
    let next = 0;
    const run = (n) => {
      for (let i = 0; i < n; i++) sketch.add(list[(next = (next + 1) % VALUES)]);
    };
    rates[name].push(await undisturbedRate(run, { batch: 10_000 }));
  }
}
const more = {};
for (const [name, way] of Object.entries(ways)) more[name] = [largestError(way), whole(await bytesOf(way))];
publishRates({
  title: 'Ways to tell percentiles',
  settings: `largest error of p50, p95, p99 and p99.9 of ${whole(VALUES)} latencies of three kinds; ${rounds} interleaved rounds; ${machine()}`,
  rates,
  ours: 'ours',
  columns: ['largest error', 'bytes'],
  more,
});
process.exit();
