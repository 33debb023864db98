// One store filled with as many keys as the second argument says, in a process of its own: what an operation on it costs, for
// keys in no order, and how much memory a key takes. The keys themselves are there before: they come with the requests.
import { MemoryCacheLayer, MemoryStore, RateLimiter } from '@tooloo/resilience';
import { LRUCache } from 'lru-cache';
import { usedMemory } from '../memory.js';

const [name, count] = process.argv.slice(2);
const size = Number(count);
const HOUR = 3_600_000;
const BATCH = 50_000;
const BATCHES = 10;
const VALUE = { id: 1, name: 'Ada', roles: ['admin'] };

/** Keys as a request has them: each a string of its own, of an address' length. */
const addressOf = (i) => `${10 + (i >> 24)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** By name: `{ fill, operations }`. Nothing refills or expires meanwhile. */
const stores = {
  limiter(most) {
    const store = new MemoryStore({ maxKeys: most });
    const limiter = new RateLimiter({ rateLimit: 1_000_000_000, refillRate: 0.001, store });
    const decide = (key) => limiter.isAllowed(key);
    return { fill: decide, operations: { decide } };
  },
  cache(most) {
    const layer = new MemoryCacheLayer({ maxSize: most, defaultTTL: HOUR });
    const set = (key) => layer.set(key, VALUE);
    return { fill: set, operations: { get: (key) => layer.get(key), set } };
  },
  'lru-cache'(most) {
    const list = new LRUCache({ max: most });
    const set = (key) => list.set(key, VALUE);
    return { fill: set, operations: { get: (key) => list.get(key), set } };
  },
};

/** Nanoseconds each, in the fastest fifth of the batches: those in which nothing else had the processor. */
function costOf(operation) {
  const step = Math.floor(size * 0.618) | 1; // meets all keys where it shares no factor with their number
  let at = 0;
  const run = () => {
    for (let i = 0; i < BATCH; i++) operation(keys[(at = (at + step) % size)]);
  };
  run();
  const durations = Array.from({ length: BATCHES }, () => {
    const began = performance.now();
    run();
    return performance.now() - began;
  }).sort((a, b) => a - b);
  const fastest = durations.slice(0, BATCHES / 5);
  return (1e6 * fastest.reduce((sum, one) => sum + one, 0)) / fastest.length / BATCH;
}

const keys = Array.from({ length: size }, (_, i) => addressOf(i));
const another = stores[name](1000); // what is loaded and compiled with the first keys is no key's
for (const key of keys.slice(0, 1000)) another.fill(key);
const before = await usedMemory();
const { fill, operations } = stores[name](size);
for (const key of keys) fill(key);
const bytes = ((await usedMemory()) - before) / size;
const costs = Object.fromEntries(Object.entries(operations).map(([what, operation]) => [what, costOf(operation)]));
process.send({ bytes, ...costs });
process.disconnect();
