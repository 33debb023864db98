/**
 * Work on all entries of the memory layer. It takes effect at once, and one turn of the event loop does a bounded part of
 * it. The tests count entries per turn, not time.
 */
import fc from '../support/fast-check.js';
import type { Awaitable } from '../../src/caching/cache-layer.js';
import { compilePattern } from '../../src/caching/key-pattern.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { KEYS_PER_SLICE } from '../../src/caching/sliced-jobs.js';
import { MultiLayerCacheManager } from '../../src/index.js';
import { FakeClock } from '../../src/testing.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const MANY = 4 * KEYS_PER_SLICE;

function filled(options = {}): MemoryCacheLayer {
  const layer = new MemoryCacheLayer({ maxSize: 2 * MANY, maxBytes: 2 ** 40, ...options });
  for (let i = 0; i < MANY; i++) layer.set(`${i % 2 === 0 ? 'even' : 'odd'}:${i}`, i);
  return layer;
}

/** Waits for the work. Checks that no turn removes more than a slice, and returns the number of turns. */
async function turnsOf(layer: MemoryCacheLayer, work: Awaitable<unknown>): Promise<number> {
  let isDone = false;
  void Promise.resolve(work).then(() => {
    isDone = true;
  });
  await Promise.resolve();
  let { size } = layer.getStats();
  for (let turns = 0; ; turns++) {
    if (isDone) return turns;
    await turn();
    const left = layer.getStats().size;
    expect(size - left).toBeLessThanOrEqual(KEYS_PER_SLICE);
    size = left;
  }
}

describe('a pattern', () => {
  test('takes effect at once, and is carried out in slices', async () => {
    const layer = filled();
    const work = layer.invalidatePatternInBackground('even:*');
    expect(work).toBeInstanceOf(Promise);
    layer.set('even:0', 'new');
    expect([layer.get('even:0'), layer.peek('even:2'), layer.has('even:4'), layer.get('odd:1')]).toEqual([
      'new',
      undefined,
      false,
      1,
    ]);
    expect([layer.read('even:2'), layer.remainingTTL('even:2'), layer.delete('even:2')]).toEqual([undefined, 0, false]);
    expect(layer.keys('even:*')).toEqual(['even:0']);
    // Four turns index the keys, and two remove the half of them.
    expect(await turnsOf(layer, work)).toBeGreaterThanOrEqual(MANY / KEYS_PER_SLICE + MANY / 2 / KEYS_PER_SLICE - 2);
    expect((await work).length).toBe(MANY / 2);
    expect(layer.getStats()).toMatchObject({ size: MANY / 2 + 1, evictions: 0, expirations: 0 });
    expect(layer.get('even:0')).toBe('new');
  });

  test('is done at once if few keys share its prefix, once the keys are indexed', async () => {
    const layer = filled();
    layer.set('few:1', 1);
    await layer.invalidatePatternInBackground('none:*');
    expect(layer.invalidatePatternInBackground('few:*')).toEqual(['few:1']);
  });

  test('looks at a bounded number of keys per turn, also where none matches', async () => {
    const layer = filled();
    await layer.invalidatePatternInBackground('none:*');
    const work = layer.invalidatePatternInBackground('even:*:posts');
    expect(await turnsOf(layer, work)).toBeGreaterThanOrEqual(1);
    expect(await work).toEqual([]);
    for (let i = 0; i < MANY; i++) layer.set(`group${i}:key`, i);
    const skipping = layer.invalidatePatternInBackground('other*');
    expect(await turnsOf(layer, skipping)).toBeGreaterThanOrEqual(MANY / KEYS_PER_SLICE - 1);
    expect(await skipping).toEqual([]);
  });

  test('called without slices blocks until all is removed', () => {
    const layer = filled();
    expect(layer.invalidatePattern('odd:*').length).toBe(MANY / 2);
    expect(layer.getStats().size).toBe(MANY / 2);
  });

  test('an entry that is evicted before its turn counts as no eviction', async () => {
    const layer = filled({ maxSize: MANY });
    const work = layer.invalidatePatternInBackground('*');
    layer.set('new', 1);
    expect(layer.getStats().evictions).toBe(0);
    await work;
    expect(layer.keys()).toEqual(['new']);
  });

  test('more of them than may wait: each takes effect, and each reports its own keys', async () => {
    const layer = filled();
    const works = Array.from({ length: 80 }, async (_, i) => layer.invalidatePatternInBackground(`*:${i}*`));
    const removed = (await Promise.all(works)).flat();
    expect(new Set(removed).size).toBe(removed.length);
    expect(removed.length).toBe(MANY);
    expect(layer.keys()).toEqual([]);
  });

  test('through a manager: the number of keys', async () => {
    const cache = new MultiLayerCacheManager({ memory: { maxSize: 2 * MANY } });
    for (let i = 0; i < MANY; i++) void cache.set(`user:${i}`, i);
    const count = cache.invalidatePattern('user:*');
    expect(cache.peek('user:7')).toBeUndefined();
    expect(await count).toBe(MANY);
    cache.destroy();
  });
});

test('a sweep removes expired entries in slices', async () => {
  const clock = new FakeClock();
  const layer = filled({ clock, defaultTTL: 100 });
  layer.write('graceful', { value: 1, ttl: 50, grace: 50, tags: [] });
  layer.write('lasting', { value: 1, ttl: 50, grace: 51, tags: [] });
  layer.set('fresh', 1, 1000);
  clock.set(clock.now() + 100);
  const work = layer.cleanupInBackground();
  expect(await turnsOf(layer, work)).toBeGreaterThanOrEqual(MANY / KEYS_PER_SLICE - 1);
  expect(await work).toBe(MANY + 1);
  expect(layer.getStats()).toMatchObject({ size: 2, expirations: MANY + 1, evictions: 0 });
  expect(layer.cleanupInBackground()).toBe(0);
});

describe('a change of the size', () => {
  test.each([
    ['to more', 2 * MANY],
    ['to fewer', MANY / 2],
    ['to one slice', 10],
  ])('%s moves and evicts entries in slices', async (_name, maxSize) => {
    const left = Math.min(maxSize, MANY + 2);
    const layer = filled({ maxSize: MANY + 2 });
    layer.set('nothing', null, Infinity);
    layer.setMaxSize(maxSize);
    expect([layer.get('nothing'), layer.has('nothing'), layer.read('nothing')?.ttl]).toEqual([null, true, Infinity]);
    layer.set('new', 1);
    const newest = `odd:${MANY - 1}`;
    expect(layer.peek(newest)).toBe(MANY - 1);
    expect(layer.getStats().size).toBe(left);
    let turns = 0;
    for (let { evictions } = layer.getStats(); evictions < MANY + 2 - left; turns++) {
      await turn();
      const now = layer.getStats().evictions;
      expect(now - evictions).toBeLessThanOrEqual(KEYS_PER_SLICE);
      evictions = now;
    }
    for (; turns < 12; turns++) await turn();
    expect(layer.keys().slice(0, 3)).toEqual([newest, 'new', 'nothing']);
    expect(layer.getStats()).toMatchObject({ maxSize, size: left, evictions: MANY + 2 - left, expirations: 0 });
    expect([...layer.invalidatePattern('odd:*'), ...layer.invalidatePattern('even:*')].length).toBe(left - 2);
  });

  test('the order of use is that of a change at once', async () => {
    const key = fc.nat({ max: MANY }).map((i) => (i % 7 === 0 ? i : i % 6));
    const step = fc.record({ kind: fc.constantFrom('get', 'set', 'delete', 'turn' as const), key });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom(3 * MANY, MANY / 2, 4),
        async (steps, most) => {
          const layer = new MemoryCacheLayer({ maxSize: 2 * MANY });
          for (let i = 0; i < MANY; i++) layer.set(String(i), i);
          const model = new Map(
            layer
              .keys()
              .reverse()
              .map((one) => [one, Number(one)] as const),
          );
          let evictions = 0;
          const evict = (): void => {
            for (const oldest of model.keys()) {
              if (model.size <= most) return;
              model.delete(oldest);
              evictions++;
            }
          };
          layer.setMaxSize(most);
          evict();
          for (const { kind, key: number } of steps) {
            const name = String(number);
            const held = model.get(name);
            if (kind === 'turn') await turn();
            else {
              model.delete(name);
              if (kind === 'set') model.set(name, number);
              else if (kind === 'get' && held !== undefined) model.set(name, held);
              evict();
              if (kind === 'set') layer.set(name, number);
              else if (kind === 'get') expect(layer.get(name)).toBe(held);
              else expect(layer.delete(name)).toBe(held !== undefined);
            }
            expect(layer.getStats().size).toBe(model.size);
          }
          for (let i = 0; i < 12; i++) await turn();
          expect(layer.keys()).toEqual([...model.keys()].reverse());
          expect(layer.getStats()).toMatchObject({ evictions, expirations: 0, size: model.size });
        },
      ),
      { numRuns: 40 },
    );
  });

  test('bytes stay bounded, and expired entries do not move', async () => {
    const clock = new FakeClock();
    const layer = new MemoryCacheLayer({ maxSize: MANY, maxBytes: 200 * MANY, clock });
    for (let i = 0; i < MANY; i++) layer.set(`key:${i}`, i, i < MANY / 2 ? 100 : 1000);
    clock.set(clock.now() + 100);
    layer.setMaxSize(2 * MANY);
    for (let i = 0; i < 8; i++) {
      layer.set(`large:${i}`, Buffer.alloc(20 * MANY));
      expect(layer.getStats().bytes).toBeLessThanOrEqual(200 * MANY);
      await turn();
    }
    expect(layer.getStats().size).toBeLessThan(MANY / 2 + 9);
    expect(layer.getStats().expirations).toBe(0);
  });
});

test('work in the background cannot be distinguished from work at once', async () => {
  const some = fc.nat({ max: MANY }).map((i) => (i % 7 === 0 ? i : i % 6));
  const key = some.map((i) => `${i % 2 === 0 ? 'even' : 'odd'}:${i}`);
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constantFrom('set' as const, 'get' as const, 'delete' as const), key }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('turn' as const), key }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('pattern' as const), key: fc.constantFrom('even:*', '*', '*1') }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('clear', 'sweep', 'resize' as const), key }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const layer = filled();
      const model = new Map(layer.keys().map((one) => [one, layer.peek(one)] as const));
      const reports: Array<{ expected: number; actual: Awaitable<string[]> }> = [];
      let value = MANY;
      let hasCleared = false;
      for (const { kind, key: name } of steps) {
        if (kind === 'set') {
          model.set(name, ++value);
          layer.set(name, value);
        } else if (kind === 'get') expect(layer.get(name)).toBe(model.get(name));
        else if (kind === 'delete') expect(layer.delete(name)).toBe(model.delete(name));
        else if (kind === 'turn') await turn();
        else if (kind === 'sweep') expect(await layer.cleanupInBackground()).toBe(0);
        else if (kind === 'resize') layer.setMaxSize(2 * MANY + ++value);
        else if (kind === 'clear') {
          hasCleared = true;
          layer.clear();
          model.clear();
        } else {
          const matching = [...model.keys()].filter(compilePattern(name).matches);
          reports.push({ expected: matching.length, actual: layer.invalidatePatternInBackground(name) });
          for (const one of matching) model.delete(one);
        }
      }
      expect(layer.keys().sort()).toEqual([...model.keys()].sort());
      for (const { expected, actual } of reports) expect((await actual).length).toBe(expected);
      if (hasCleared) while (layer.getStats().size !== model.size) await turn();
      expect(layer.getStats()).toMatchObject({ size: model.size, evictions: 0, expirations: 0 });
      expect([...model.keys()].map((one) => layer.get(one))).toEqual([...model.values()]);
    }),
    { numRuns: 25 },
  );
});
