// Ways to tell who asks most, of a million clients of whom few ask much (Zipf): what a request costs, what it holds in memory,
// and how many of the true ten it finds.
import { bytesHeldBy } from '../memory.js';
import { publishRates, undisturbedRate } from '../rates.js';
import { shuffled } from '../harness.js';
import { machine, whole } from '../report.js';
import { importTypescript } from '../typescript.js';

const { BusiestKeys, HeavyHitters } = await importTypescript(
  'src/shared/heavy-hitters.ts',
  'src/rate-limiting/busiest-keys.ts',
);
const CLIENTS = 1_000_000;
const REQUESTS = 1_000_000;
const TOP = 10;
const SOME = 5;
const rounds = Number(process.env.ROUNDS ?? 5);

/** Counts everybody. */
function countAll() {
  const counts = new Map();
  return {
    add: (key) => counts.set(key, (counts.get(key) ?? 0) + 1),
    top: () => [...counts].sort(([, a], [, b]) => b - a).slice(0, TOP),
  };
}

function spaceSaving() {
  const hitters = new HeavyHitters();
  return { add: (key) => hitters.add(key, false), top: () => hitters.top(TOP).map(({ key }) => [key]) };
}

/** What the limiter does: it counts a sample. */
function sampled() {
  const busiest = new BusiestKeys();
  return { add: (key) => busiest.record(key, false), top: () => busiest.top(TOP).map(({ key }) => [key]) };
}

const ways = { 'Space-Saving, sampled': sampled, 'Space-Saving': spaceSaving, 'a counter for each': countAll };

let seed = 7;
const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) + 0.5) / 2 ** 32;
/** The nth client asks about 1/n as often as the first. */
const keys = Array.from({ length: REQUESTS }, () => `client ${Math.floor(CLIENTS ** random())}`);

const exact = countAll();
for (const key of keys) exact.add(key);
const busiest = new Set(exact.top().map(([key]) => key));

/** How many of the busiest one finds, and kB that one holds: the mean of some, since one may be smaller than the heap's noise. */
async function judgeWay(way) {
  let counters;
  const bytes = await bytesHeldBy(() => {
    counters = Array.from({ length: SOME }, way);
    for (const counter of counters) for (const key of keys) counter.add(key);
    return counters;
  });
  const right = counters[0].top().filter(([key]) => busiest.has(key));
  return [`${right.length} of ${TOP}`, (bytes / SOME / 1000).toFixed(0)];
}

const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(Object.keys(ways))) {
    const counter = ways[name]();
    let next = 0;
    const run = (n) => {
      for (let i = 0; i < n; i++) counter.add(keys[(next = (next + 1) % REQUESTS)]);
    };
    rates[name].push(await undisturbedRate(run, { batch: 10_000 }));
  }
}
const more = {};
for (const [name, way] of Object.entries(ways)) more[name] = await judgeWay(way);
publishRates({
  title: 'Ways to tell who asks most',
  settings: `${whole(REQUESTS)} requests of ${whole(CLIENTS)} clients, the nth of whom asks 1/n as often; ${rounds} interleaved rounds; ${machine()}`,
  rates,
  ours: 'Space-Saving, sampled',
  columns: ['found of the busiest', 'kB'],
  more,
});
process.exit();
