// Ways to limit 100 requests in 10 seconds: the most that each admits in any second and in any ten seconds, the cost of
// a decision, and the memory per client. One is the package's `RateLimiter`; the others are as short as possible.
import { RateLimiter } from '@tooloo/resilience';
import { bytesHeldBy } from '../memory.js';
import { publishRates, undisturbedRate } from '../rates.js';
import { shuffled } from '../harness.js';
import { machine, whole } from '../report.js';

const LIMIT = 100;
const WINDOW = 10_000;
const CLIENTS = 20_000;
const rounds = Number(process.env.ROUNDS ?? 5);

/** Counts from the start of a window that begins with the first request. */
function fixedWindow(clock) {
  const windows = new Map();
  return (key) => {
    const now = clock.now();
    let window = windows.get(key);
    if (window === undefined || now >= window.end) windows.set(key, (window = { end: now + WINDOW, count: 0 }));
    return window.count < LIMIT && ++window.count > 0;
  };
}

/** Remembers when each request came. */
function slidingLog(clock) {
  const logs = new Map();
  return (key) => {
    const now = clock.now();
    let log = logs.get(key);
    if (log === undefined) logs.set(key, (log = []));
    while (log.length > 0 && log[0] <= now - WINDOW) log.shift();
    return log.length < LIMIT && log.push(now) > 0;
  };
}

/** Counts of this window and the one before, which is taken to have been even. */
function slidingCounter(clock) {
  const counters = new Map();
  return (key) => {
    const now = clock.now();
    const number = Math.floor(now / WINDOW);
    let counter = counters.get(key);
    if (counter === undefined) counters.set(key, (counter = { number, count: 0, before: 0 }));
    if (counter.number !== number) {
      counter.before = counter.number === number - 1 ? counter.count : 0;
      counter.number = number;
      counter.count = 0;
    }
    const share = 1 - (now % WINDOW) / WINDOW;
    return counter.before * share + counter.count < LIMIT && ++counter.count > 0;
  };
}

function ours(clock) {
  const limiter = new RateLimiter({ rateLimit: LIMIT, refillRate: LIMIT / (WINDOW / 1000), clock });
  return (key) => limiter.isAllowed(key);
}

const ways = {
  'RateLimiter, token bucket': ours,
  'fixed window': fixedWindow,
  'sliding log': slidingLog,
  'sliding counter': slidingCounter,
};

/** A clock that the caller moves by setting `time`. It needs no timers, because no request waits here. */
function standing() {
  const clock = { time: 0, now: () => clock.time, setTimer: () => ({ cancel: () => undefined }) };
  return clock;
}

/** Times of the admitted requests of a client that pauses `quiet` ms after the first, then sends as many as it can. */
function admitted(way, quiet) {
  const clock = standing();
  const isAllowed = way(clock);
  isAllowed('client');
  const moments = [0];
  for (clock.time = quiet; clock.time < quiet + 3 * WINDOW; clock.time += 20) {
    for (let i = 0; i < 20 && isAllowed('client'); i++) moments.push(clock.time);
  }
  return moments;
}

/** The most requests admitted within any `span` ms. After a pause at the end of a window, a client gets more. */
function mostWithin(span, way) {
  let most = 0;
  for (let quiet = 0; quiet < WINDOW; quiet += 500) {
    const moments = admitted(way, quiet);
    for (let first = 0, next = 0; first < moments.length; first++) {
      while (next < moments.length && moments[next] < moments[first] + span) next++;
      most = Math.max(most, next - first);
    }
  }
  return most;
}

const crowd = Array.from({ length: CLIENTS }, (_, i) => `client ${i}`);

/** Bytes for each of many clients that have sent half of what they may. */
async function bytesOf(way) {
  const bytes = await bytesHeldBy(() => {
    const isAllowed = way(standing());
    for (let i = 0; i < LIMIT / 2; i++) for (const key of crowd) isAllowed(key);
    return isAllowed;
  });
  return bytes / CLIENTS;
}

const keys = Array.from({ length: 1000 }, (_, i) => `client ${i}`);
const rates = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(Object.keys(ways))) {
    const clock = standing();
    const isAllowed = ways[name](clock);
    let next = 0;
    const run = (n) => {
      for (let i = 0; i < n; i++) {
        isAllowed(keys[(next = (next + 797) % keys.length)]);
        clock.time += 0.1;
      }
    };
    rates[name].push(await undisturbedRate(run, { batch: 10_000 }));
  }
}
const more = {};
for (const [name, way] of Object.entries(ways)) {
  more[name] = [mostWithin(1000, way), mostWithin(WINDOW, way), whole(await bytesOf(way))];
}
publishRates({
  title: 'Ways to limit',
  settings:
    `${LIMIT} requests in ${WINDOW / 1000} s; 1,000 clients; memory of each of ${whole(CLIENTS)} clients that have sent ` +
    `${LIMIT / 2} requests; ${rounds} interleaved rounds; ${machine()}`,
  rates,
  ours: 'RateLimiter, token bucket',
  columns: ['most in any second', 'most in any 10 s', 'bytes per client'],
  more,
});
process.exit();
