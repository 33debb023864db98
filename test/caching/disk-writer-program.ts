/** A separate process on the file that a test names. Its first argument is its task: write, increment, load or hold. */
import { closeSync, openSync } from 'node:fs';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { countEntries } from '../../src/caching/stored-entries.js';

const [task = '', dbPath = '', name = '', amount = '0'] = process.argv.slice(2);
const say = (message: unknown): void => void process.send?.(message);

/** Writes for as long as it lives, and says after each write that it is done. */
function writeForever(): void {
  const layer = new DiskCacheLayer({ dbPath });
  const write = (i: number): void => {
    layer.set(`${name}:${i}`, { i, text: 'x'.repeat(200 + (i % 3000)) });
    process.send?.(i, () => setImmediate(write, i + 1));
  };
  write(0);
}

/** Reads a counter and writes it back incremented, in one transaction each time. */
function increment(): void {
  const layer = new DiskCacheLayer({ dbPath, busyTimeout: 10_000 });
  for (let i = 0; i < Number(amount); i++) {
    layer.transaction(() => layer.set('counter', (layer.get<number>('counter') ?? 0) + 1));
    layer.set(`${name}:${i}`, i);
  }
  layer.destroy();
  say('done');
}

/** Settles when the parent says the word. Listening keeps the process alive: the cache's own timers do not. */
function told(word: string): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (said) => {
      if (said === word) resolve();
    });
  });
}

/** Asks a manager on the shared file for one key many times at once. The origin answers on the message `finish`. */
async function load(): Promise<void> {
  const cache = new MultiLayerCacheManager({ disk: { dbPath, busyTimeout: 10_000 } });
  const [go, finish] = [told('go'), told('finish')];
  say('ready');
  await go;
  let loads = 0;
  const asked = Array.from({ length: Number(amount) }, () =>
    cache.getOrSet('key', async () => {
      loads++;
      await finish;
      return 'value';
    }),
  );
  say('asked');
  const values = [...new Set(await Promise.all(asked))];
  say({ loads, values });
  await finish; // the parent sends it to the processes that did not load as well, and must find each of them
  cache.destroy();
  process.disconnect();
}

/** The uses that this package makes of a file that is open in the same process. */
const USES: Readonly<Record<string, (layer: DiskCacheLayer) => unknown>> = {
  'open a second layer': () => new DiskCacheLayer({ dbPath }).destroy(),
  'count entries': () => countEntries({ memory: new MemoryCacheLayer(), dbPath }, { keys: '*' }),
  vacuum: (layer) => layer.vacuum(),
  sweep: (layer) => layer.cleanupInBackground(),
  'read the figures': (layer) => layer.getStats(),
  // None of the others may do this: closing the descriptor ends all locks of the process on the file.
  'open and close a descriptor': () => closeSync(openSync(dbPath, 'r')),
};

/** Holds the file open while it is used once more, and writes on the message `write`. */
async function hold(): Promise<void> {
  const layer = new DiskCacheLayer({ dbPath });
  layer.set('before', 1);
  const write = told('write');
  await USES[name]!(layer);
  say('used');
  await write;
  layer.set('after', 2);
  say('written');
  process.disconnect();
}

if (task === 'write') writeForever();
else if (task === 'hold') void hold();
else if (task === 'increment') increment();
else void load();
