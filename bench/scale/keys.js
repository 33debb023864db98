// Measures decisions of the limiter, and gets and sets of the memory cache, with a thousand to a million keys. Compares
// them with the list that the cache is built on, and measures the memory per key.
import { askWorker } from '../apart.js';
import { measureCurves, publishCurves } from '../curves.js';
import { judge, machine } from '../report.js';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** Among fewer, what else the process keeps would be seen. */
const MANY = SIZES.slice(1);
const rounds = Number(process.env.ROUNDS ?? 5);
const worker = new URL('keys-worker.js', import.meta.url).pathname;

const found = await measureCurves({
  names: ['limiter', 'cache', 'lru-cache', 'lru-cache with ttl'],
  sizes: SIZES,
  rounds,
  measure: (name, size) => askWorker(worker, name, size),
});

/** By size: one figure of what was measured. */
const pick = (name, figure, sizes = SIZES) =>
  Object.fromEntries(sizes.map((size) => [size, found[name][size].map((sample) => sample[figure])]));
/** Rates beside the list that keeps lifetimes too. */
const ratesAt = (size, operation) => ({
  ours: found.cache[size].map((sample) => 1 / sample[operation]),
  'lru-cache with ttl': found['lru-cache with ttl'][size].map((sample) => 1 / sample[operation]),
});
const target = (operation, least) => (size) => {
  const what = `${operation}s, cache / lru-cache with ttl, ${size.toLocaleString('en')} keys`;
  return judge({ name: 'ours', of: 'lru-cache with ttl', least, what }, ratesAt(size, operation));
};

const settings = `${rounds} interleaved rounds, each store in a process of its own, keys in no order; ${machine()}`;
publishCurves({
  title: 'Operations in memory, by the number of keys',
  settings: `${settings}. Nanoseconds undisturbed.`,
  x: 'keys',
  y: 'ns',
  samples: {
    'a decision of the limiter': pick('limiter', 'decide'),
    'a get of the cache': pick('cache', 'get'),
    'a set of the cache': pick('cache', 'set'),
    'a get of lru-cache': pick('lru-cache', 'get'),
    'a set of lru-cache': pick('lru-cache', 'set'),
    'a get of lru-cache with ttl': pick('lru-cache with ttl', 'get'),
    'a set of lru-cache with ttl': pick('lru-cache with ttl', 'set'),
  },
  targets: [...SIZES.map(target('get', 0.8)), ...SIZES.map(target('set', 0.6))],
});
publishCurves({
  title: 'Memory of a key',
  settings: `${settings}. Bytes of the heap after a collection, without the key's own string, which the limiter copies.`,
  x: 'keys',
  y: 'bytes',
  samples: {
    limiter: pick('limiter', 'bytes', MANY),
    'memory cache': pick('cache', 'bytes', MANY),
    'lru-cache': pick('lru-cache', 'bytes', MANY),
    'lru-cache with ttl': pick('lru-cache with ttl', 'bytes', MANY),
  },
});
