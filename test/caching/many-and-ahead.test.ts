/** Loads of many keys at once, refreshing ahead, namespaces, a hung loader, and the cache as a Keyv store. */
import { until } from '../support/eventually.js';
import Keyv from 'keyv';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { keyvStore } from '../../src/caching/keyv-store.js';
import { FakeClock } from '../../src/testing.js';

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each([['memory'], ['memory over disk']])('%s', (kind) => {
  let clock: FakeClock;
  let cache: MultiLayerCacheManager;
  beforeEach(() => {
    clock = new FakeClock();
    cache = new MultiLayerCacheManager({ clock, ...(kind !== 'memory' && { disk: { dbPath: ':memory:' } }) });
  });
  afterEach(() => cache.destroy());

  test('the missing keys are loaded by one call, in the order asked for; what is left out is not stored', async () => {
    await cache.set('b', 'held');
    const asked: string[][] = [];
    const load = (keys: readonly string[]): Map<string, string> => {
      asked.push([...keys]);
      return new Map(keys.filter((key) => key !== 'none').map((key) => [key, `loaded ${key}`]));
    };
    const found = await cache.getManySet(['a', 'b', 'none', 'c', 'a'], load, { ttl: 1000, tags: ['t'] });
    expect([...found]).toEqual([
      ['a', 'loaded a'],
      ['b', 'held'],
      ['c', 'loaded c'],
    ]);
    expect(asked).toEqual([['a', 'none', 'c']]);
    expect([await cache.get('a'), await cache.has('none')]).toEqual(['loaded a', false]);
    await cache.invalidateTag('t');
    expect(await cache.has('a')).toBe(false);
    expect([...(await cache.getManySet(['x', 'y'], () => [1, undefined]))]).toEqual([['x', 1]]);
    expect((await cache.getManySet([], load)).size).toBe(0);
  });

  test('callers at once load each key once, and a failure reaches all of a batch', async () => {
    let loads = 0;
    const load = async (keys: readonly string[]): Promise<number[]> => {
      loads += keys.length;
      await later();
      return keys.map(() => 1);
    };
    await Promise.all([
      cache.getManySet(['a', 'b'], load),
      cache.getManySet(['b', 'c'], load),
      cache.getOrSet('a', () => 2),
    ]);
    expect(loads).toBe(3);
    const failing = cache.getManySet(['d', 'e', 'a'], () => Promise.reject(new Error('origin')));
    await expect(failing).rejects.toThrow('origin');
    await expect(cache.getManySet(['d'], () => 5 as never)).rejects.toThrow('expected an array');
    expect(await cache.has('d')).toBe(false);
  });

  test('a value near its end is answered and loaded anew in the background, once', async () => {
    let loads = 0;
    const ask = (): Promise<number> => cache.getOrSet('k', () => ++loads, { ttl: 1000, refreshAhead: 200 });
    expect(await ask()).toBe(1);
    await clock.advance(799);
    expect([await ask(), loads]).toEqual([1, 1]);
    await clock.advance(1);
    expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
    await later();
    expect([loads, await ask()]).toEqual([2, 2]);
    await clock.advance(900);
    expect(await ask()).toBe(2);
    await later();
    expect(cache.getStats()).toMatchObject({ loads: 3, staleServed: 0 });
  });

  test('a failing refresh ahead leaves the value, and the origin alone for a second', async () => {
    let loads = 0;
    const ask = (): Promise<number> =>
      cache.getOrSet('k', () => (++loads > 1 ? Promise.reject(new Error('origin')) : loads), {
        ttl: 5000,
        refreshAhead: 4000,
      });
    await ask();
    await clock.advance(1000);
    for (let i = 0; i < 3; i++) {
      expect(await ask()).toBe(1);
      await later();
    }
    expect(loads).toBe(2);
    await clock.advance(1000);
    expect(await ask()).toBe(1);
    await later();
    expect(loads).toBe(3);
  });

  test('after a load that hung and timed out the next caller loads at once', async () => {
    const hung = cache.getOrSet('k', () => new Promise<number>(() => undefined), { timeout: 200 });
    const failed = expect(hung).rejects.toMatchObject({ code: 'LOAD_TIMEOUT' });
    await later();
    await clock.advance(200);
    await failed;
    expect(await cache.getOrSet('k', () => 5, { timeout: 200 })).toBe(5);
  });

  test('a claim within a claim of the same key does not wait for itself', async () => {
    const outer = await cache.claim('k');
    const inner = await cache.claim('k');
    if ('value' in outer || 'value' in inner) throw new Error('expected claims');
    await inner.commit('inner');
    await outer.commit('outer');
    expect(['inner', 'outer']).toContain(await cache.get('k'));
  });

  test('a namespace has its own keys, types and patterns', async () => {
    const users = cache.namespace<{ name: string }>('user');
    await users.set('1', { name: 'Ada' });
    await cache.set('order:1', 1);
    expect([await users.get('1'), await cache.get('user:1'), await users.has('2')]).toEqual([
      { name: 'Ada' },
      { name: 'Ada' },
      false,
    ]);
    expect(await users.getOrSet('2', ({ key }) => ({ name: key }))).toEqual({ name: 'user:2' });
    const many = await users.getManySet(['1', '3'], (keys) => new Map(keys.map((key) => [key, { name: key }])));
    expect([...many.keys()]).toEqual(['1', '3']);
    expect(await users.namespace<number>('posts').getOrSet('1', () => 7)).toBe(7);
    expect(await cache.get('user:posts:1')).toBe(7);
    expect([await users.invalidate('1'), await users.invalidatePattern('posts:*'), await users.clear()]).toEqual([
      true,
      1,
      2,
    ]);
    expect(await cache.get('order:1')).toBe(1);
    expect(() => cache.namespace('a*')).toThrow(RangeError);
    expect(() => cache.namespace('')).toThrow(RangeError);
  });

  test('Keyv keeps its values in it', async () => {
    const keyv = new Keyv({ store: keyvStore(cache.namespace('keyv')) as never });
    await keyv.set('a', { n: 1 });
    await keyv.set('b', 2, 1000);
    expect([await keyv.get('a'), await keyv.get(['a', 'b', 'c']), await keyv.has('b')]).toEqual([
      { n: 1 },
      [{ n: 1 }, 2, undefined],
      true,
    ]);
    expect([await keyv.delete('a'), await keyv.delete('a')]).toEqual([true, false]);
    await cache.set('other', 1);
    await keyv.clear();
    expect([await keyv.get('b'), await cache.get('other')]).toEqual([undefined, 1]);
  });
});

test('a pattern counts what could still have been read, in every layer alike', async () => {
  const clock = new FakeClock();
  const cache = new MultiLayerCacheManager({ clock, disk: { dbPath: ':memory:' } });
  await cache.set('p:fresh', 1);
  await cache.set('p:gone', 1, { tags: ['t'] });
  await cache.set('p:stale', 1, { tags: ['t'], grace: 1000 });
  await cache.set('p:expired', 1, 10);
  await cache.set('p:🔑', 1);
  await cache.invalidateTag('t', { soft: true });
  await clock.advance(10);
  expect(await cache.invalidatePattern('p:*')).toBe(3);
  await cache.set('p:🔑', 1);
  expect(await cache.invalidatePattern(`p:${'🔑'[0]}*`)).toBe(1);
  expect(await cache.get('p:🔑')).toBeUndefined();
  cache.destroy();
});

test('the clock of the machine set back makes nothing on disk live longer, and keeps no lease', async () => {
  const clock = new FakeClock();
  const cache = new MultiLayerCacheManager({ clock, disk: { dbPath: ':memory:' } });
  const disk = cache.disk!;
  disk.set('k', 'old', 60_000);
  expect(typeof disk.lease('busy', 60_000)).toBe('object');
  clock.set(clock.now() - 3_600_000);
  expect([disk.get('k'), disk.has('k'), disk.read('k'), disk.invalidatePattern('*')]).toEqual([
    undefined,
    false,
    undefined,
    [],
  ]);
  expect(typeof disk.lease('busy', 60_000)).toBe('object');
  // Older entries are removed in the background. Until that is done, reads find nothing.
  await until(() => {
    disk.set('k', 'new', 60_000);
    return disk.get('k') === 'new';
  });
  cache.destroy();
});
