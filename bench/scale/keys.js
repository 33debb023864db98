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
  names: ['limiter', 'cache', 'lru-cache'],
  sizes: SIZES,
  rounds,
  measure: (name, size) => askWorker(worker, name, size),
});

/** By size: one figure of what was measured. */
const pick = (name, figure, sizes = SIZES) =>
  Object.fromEntries(sizes.map((size) => [size, found[name][size].map((sample) => sample[figure])]));
const getsAt = (size) => ({
  ours: found.cache[size].map(({ get }) => 1 / get),
  'lru-cache': found['lru-cache'][size].map(({ get }) => 1 / get),
});

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
  },
  targets: SIZES.map((size) =>
    judge(
      { name: 'ours', of: 'lru-cache', least: 0.8, what: `gets, cache / lru-cache, ${size.toLocaleString('en')} keys` },
      getsAt(size),
    ),
  ),
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
  },
});
