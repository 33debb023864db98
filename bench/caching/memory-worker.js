// One cache in a process of its own, so that V8 compiles the code for it alone: tells how often a second it gets and sets.
import { MAX, caches } from './memory-caches.js';

const BATCH = 10_000;
const BATCHES = 300;
const KEYS = Array.from({ length: MAX }, (_, i) => `user:${i}`);
const VALUE = { id: 1, name: 'Ada', roles: ['admin'] };

const cache = caches[process.argv[2]]();
for (const key of KEYS) cache.set(key, VALUE);

let next = 0;
let found = 0;
const anyKey = () => KEYS[(next = (next + 797) % MAX)];
const operations = {
  get: () => {
    for (let i = 0; i < BATCH; i++) if (cache.get(anyKey()) === VALUE) found++;
  },
  set: () => {
    for (let i = 0; i < BATCH; i++) cache.set(anyKey(), VALUE);
  },
};

/** Of the fastest tenth of the batches: those in which nothing else had the processor. */
function rateOf(operation, seconds) {
  const durations = [];
  const end = performance.now() + 1000 * seconds;
  while (durations.length < BATCHES && performance.now() < end) {
    const began = performance.now();
    operation();
    durations.push(performance.now() - began);
  }
  durations.sort((a, b) => a - b);
  const fastest = durations.slice(0, Math.ceil(durations.length / 10));
  return (1000 * BATCH * fastest.length) / fastest.reduce((sum, one) => sum + one, 0);
}

const rates = Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, rateOf(operation, 1)]));
if (found === 0) throw new Error('nothing was found: nothing was measured');
process.send(rates);
