// Measures one cache in its own process, so that V8 compiles the code for this cache only. Reports gets and sets
// per second.
import { undisturbedRate } from '../rates.js';
import { MAX, caches } from './memory-caches.js';

const BATCH = 10_000;
const KEYS = Array.from({ length: MAX }, (_, i) => `user:${i}`);
const VALUE = { id: 1, name: 'Ada', roles: ['admin'] };

const cache = caches[process.argv[2]]();
for (const key of KEYS) cache.set(key, VALUE);

let next = 0;
let found = 0;
const anyKey = () => KEYS[(next = (next + 797) % MAX)];
const operations = {
  get: () => {
    for (let i = 0; i < BATCH; i++) if (cache.get(anyKey()) !== undefined) found++;
  },
  set: () => {
    for (let i = 0; i < BATCH; i++) cache.set(anyKey(), VALUE);
  },
};

const rates = {};
for (const [name, operation] of Object.entries(operations)) {
  rates[name] = await undisturbedRate(operation, { batch: BATCH });
}
if (found === 0) throw new Error('nothing was found: nothing was measured');
process.send(rates);
