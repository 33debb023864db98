// Fills one store, in its own process, with as many keys as the second argument says. Measures the cost of an operation
// on keys in random order, and the memory per key. Keys and values exist beforehand, because applications get them from
// elsewhere.
import { MemoryCacheLayer, MemoryStore, RateLimiter } from '@tooloo/resilience';
import { LRUCache } from 'lru-cache';
import { usedMemory } from '../memory.js';

const [name, count] = process.argv.slice(2);
const size = Number(count);
const HOUR = 3_600_000;
const BATCH = 50_000;
const BATCHES = 10;

/** Keys as a request has them: each a string of its own, of an address' length. */
const addressOf = (i) => `${10 + (i >> 24)}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** By name: `{ fill, operations }`. Nothing refills or expires meanwhile. */
const stores = {
  limiter(most) {
    const store = new MemoryStore({ maxKeys: most });
    const limiter = new RateLimiter({ rateLimit: 1_000_000_000, refillRate: 0.001, store });
    const decide = (key) => limiter.isAllowed(key);
    return { fill: decide, operations: { decide: (i) => decide(keys[i]) } };
  },
  cache(most) {
    const layer = new MemoryCacheLayer({ maxSize: most, defaultTTL: HOUR });
    const set = (key, value) => layer.set(key, value);
    return {
      fill: set,
      operations: { get: (i) => (sum += layer.get(keys[i]).id), set: (i) => set(keys[i], values[i]) },
    };
  },
  'lru-cache': (most) => ofList(new LRUCache({ max: most })),
  'lru-cache with ttl': (most) => ofList(new LRUCache({ max: most, ttl: HOUR })),
};

function ofList(list) {
  const set = (key, value) => list.set(key, value);
  return {
    fill: set,
    operations: { get: (i) => (sum += list.get(keys[i]).id), set: (i) => set(keys[i], values[i]) },
  };
}

/** Nanoseconds each, in the fastest fifth of the batches: those in which nothing else had the processor. */
function costOf(operation) {
  const step = Math.floor(size * 0.618) | 1; // meets all keys where it shares no factor with their number
  let at = 0;
  const run = () => {
    for (let i = 0; i < BATCH; i++) operation((at = (at + step) % size));
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
const values = keys.map((name, id) => ({ id, name }));
let sum = 0; // reads each value, as an application would
const another = stores[name](1000); // what is loaded and compiled with the first keys is no key's
for (let i = 0; i < 1000; i++) another.fill(keys[i], values[i]);
const before = await usedMemory();
const { fill, operations } = stores[name](size);
for (let i = 0; i < size; i++) fill(keys[i], values[i]);
const bytes = ((await usedMemory()) - before) / size;
const costs = Object.fromEntries(Object.entries(operations).map(([what, operation]) => [what, costOf(operation)]));
process.send({ bytes, ...costs });
process.disconnect();
