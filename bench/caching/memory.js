// Gets and sets in memory, 1,000 keys in no order: the layer beside the list it is built on and the caches Node users have.
import { MemoryCacheLayer } from '@tooloo/resilience';
import { CacheableMemory } from 'cacheable';
import { LRUCache } from 'lru-cache';
import NodeCache from 'node-cache';
import { microbenchmark } from '../harness.js';

const MAX = 1_000;
const MINUTE = 60_000;
const KEYS = Array.from({ length: MAX }, (_, i) => `user:${i}`);
const VALUE = { id: 1, name: 'Ada', roles: ['admin'] };

/** All hold as many entries, for a minute, by reference. */
const caches = {
  ours: new MemoryCacheLayer({ maxSize: MAX, defaultTTL: MINUTE }),
  'lru-cache': new LRUCache({ max: MAX }),
  'lru-cache with ttl': new LRUCache({ max: MAX, ttl: MINUTE }),
  'node-cache': new NodeCache({ useClones: false, stdTTL: MINUTE / 1000, checkperiod: 0 }),
  cacheable: new CacheableMemory({ lruSize: MAX, ttl: MINUTE, useClone: false }),
};

let found = 0;

function getting(cache) {
  for (const key of KEYS) cache.set(key, VALUE);
  let next = 0;
  return (n) => {
    for (let i = 0; i < n; i++) if (cache.get(KEYS[(next = (next + 797) % KEYS.length)]) === VALUE) found++;
  };
}

function setting(cache) {
  let next = 0;
  return (n) => {
    for (let i = 0; i < n; i++) cache.set(KEYS[(next = (next + 797) % KEYS.length)], VALUE);
  };
}

for (const [title, operation, targets] of [
  ['Gets from memory', getting, ['lru-cache', 'lru-cache with ttl'].map((of) => ({ name: 'ours', of, least: 0.8 }))],
  ['Sets in memory', setting, []],
]) {
  await microbenchmark({
    title,
    functions: Object.fromEntries(Object.entries(caches).map(([name, cache]) => [name, operation(cache)])),
    ours: 'ours',
    quietest: true,
    rounds: Number(process.env.ROUNDS ?? 9),
    milliseconds: 200,
    targets,
  });
}
if (found === 0) throw new Error('nothing was found: nothing was measured');
process.exit();
