// Decisions a second in memory, for one client and for 10,000 in no order.
import { RateLimiter } from '@tooloo/resilience';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { microbenchmark } from '../harness.js';

const KEYS = Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
const POINTS = 1_000_000_000;

function ours(keys) {
  const limiter = new RateLimiter({ rateLimit: POINTS, refillRate: 10 });
  let next = 0;
  return (n) => {
    for (let i = 0; i < n; i++) limiter.isAllowed(keys[(next = (next + 7919) % keys.length)]);
  };
}

function flexible(keys) {
  const limiter = new RateLimiterMemory({ points: POINTS, duration: 10 });
  let next = 0;
  return async (n) => {
    for (let i = 0; i < n; i++) await limiter.consume(keys[(next = (next + 7919) % keys.length)]);
  };
}

const rounds = Number(process.env.ROUNDS ?? 7);
await microbenchmark({
  title: 'Decisions in memory, one client',
  functions: { ours: ours(['10.0.0.1']), 'rate-limiter-flexible': flexible(['10.0.0.1']) },
  ours: 'ours',
  quietest: true,
  targets: [{ name: 'ours', least: 5_000_000 }],
  rounds,
});
await microbenchmark({
  title: 'Decisions in memory, 10,000 clients',
  functions: { ours: ours(KEYS), 'rate-limiter-flexible': flexible(KEYS) },
  ours: 'ours',
  quietest: true,
  targets: [{ name: 'ours', least: 5_000_000 }],
  rounds,
});

/** `isAllowed` on keys that are built for each decision, beside the least that any limiter does with them. */
const built = {
  ours() {
    const limiter = new RateLimiter({ rateLimit: POINTS, refillRate: 10 });
    let next = 0;
    return (n) => {
      for (let i = 0; i < n; i++) limiter.isAllowed('k' + (next = (next + 1) % KEYS.length));
    };
  },
  map() {
    const map = new Map();
    let next = 0;
    return (n) => {
      for (let i = 0; i < n; i++) {
        const key = 'k' + (next = (next + 1) % KEYS.length);
        map.set(key, (map.get(key) ?? 0) + 1);
      }
    };
  },
};
await microbenchmark({
  title: 'Decisions in memory, 10,000 keys built per decision',
  functions: { ours: built.ours(), 'Map, get and set': built.map() },
  ours: 'ours',
  quietest: true,
  targets: [{ name: 'ours', of: 'Map, get and set', least: 0.5 }],
  rounds,
});
process.exit();
