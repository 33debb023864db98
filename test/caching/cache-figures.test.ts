/** Figures of a cache for people: the keys that are read most, the latest invalidations, and never a secret. */
import { MultiLayerCacheManager, type MultiLayerCacheOptions } from '../../src/caching/index.js';
import { keyOf, shownResponseKey } from '../../src/caching/http/request-key.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const caches: MultiLayerCacheManager[] = [];

function open(options: MultiLayerCacheOptions = {}): MultiLayerCacheManager {
  const cache = new MultiLayerCacheManager(options);
  caches.push(cache);
  return cache;
}

afterEach(() => {
  for (const cache of caches.splice(0)) cache.destroy();
});

describe('the hottest', () => {
  test('keys with their misses, and the tags of what was found', async () => {
    const cache = open();
    await cache.set('a', 1, { tags: ['red', 'round'] });
    await cache.set('b', 2, { tags: ['red'] });
    for (let i = 0; i < 5; i++) cache.peek('a');
    await cache.get('b');
    await cache.get('b');
    await cache.get('gone');
    await cache.getOrSet('loaded', () => 3);
    await cache.getOrSet('loaded', () => 4);
    const { keys, tags } = cache.hottest();
    expect(keys).toEqual([
      { key: 'a', lookups: 5, misses: 0, error: 0 },
      { key: 'b', lookups: 2, misses: 0, error: 0 },
      { key: 'loaded', lookups: 2, misses: 1, error: 0 },
      { key: 'gone', lookups: 1, misses: 1, error: 0 },
    ]);
    expect(tags).toEqual([
      { tag: 'red', hits: 7, error: 0 },
      { tag: 'round', hits: 5, error: 0 },
    ]);
    expect(cache.hottest(1).keys).toHaveLength(1);
    expect(() => cache.hottest(0)).toThrow(RangeError);
  });

  test('stand out of many more keys than are kept', async () => {
    const cache = open();
    await cache.set('hot', 1);
    for (let i = 0; i < 20_000; i++) {
      if (i % 4 === 0) cache.peek('hot');
      else await cache.get(`cold:${i}`);
    }
    const [hottest] = cache.hottest().keys;
    expect(hottest).toMatchObject({ key: 'hot', misses: 0 });
    expect(hottest!.lookups / 5_000).toBeCloseTo(1, 0);
    expect(cache.hottest(64).keys).toHaveLength(64);
  });

  test('are hidden where keys hold secrets', async () => {
    const cache = open({ hideKeys: true });
    await cache.set('session:s3cret', 1, { tags: ['ada'] });
    cache.peek('session:s3cret');
    await cache.invalidate('session:s3cret');
    expect(JSON.stringify([cache.hottest(), cache.recentInvalidations()])).not.toMatch(/s3cret|ada/);
    expect(cache.recentInvalidations()[0]!.name).toBe(cache.hottest().keys[0]!.key); // one hash per key
  });
});

describe('the key of a stored response', () => {
  const key = (target: string, facet = '') => keyOf('GET', { target, origin: 'http://kit' }) + facet;

  test('is shown by its path; what a client put beside it only as a hash', () => {
    expect(shownResponseKey(key('/items'))).toBe('GET /items http://kit');
    const shown = shownResponseKey(key('/items?token=s3cret'));
    expect(shown).toMatch(/^GET \/items\?#[0-9a-f]{12} http:\/\/kit$/);
    expect(shown).not.toBe(shownResponseKey(key('/items?token=another')));
    expect(shownResponseKey(key('/items', '\nx-host:s3cret'))).toMatch(/^GET \/items http:\/\/kit #[0-9a-f]{12}$/);
    expect(shownResponseKey(key('s3cret'))).toMatch(/^GET #[0-9a-f]{12} http:\/\/kit$/);
  });

  test('as a pattern, and a key of the application, stay what they are', () => {
    expect(shownResponseKey('http:GET /items/* *')).toBe('GET /items/* *');
    expect(shownResponseKey('provider:1')).toBe('provider:1');
  });

  test('is cut where it is as long as a client liked', async () => {
    const cache = open();
    await cache.get(key(`/${'x'.repeat(5_000)}`));
    expect(cache.hottest().keys[0]!.key.length).toBeLessThanOrEqual(160);
  });
});

describe('the last invalidations', () => {
  test('are listed with their time, kind and author, latest first', async () => {
    const clock = new FakeClock(1_000);
    const cache = open({ clock });
    await cache.set('a', 1, { tags: ['red'] });
    await cache.set('b:1', 1);
    await cache.invalidate('a', { by: 'budget#1' });
    await clock.advance(5);
    await cache.invalidatePattern('b:*');
    await cache.invalidateTag('red', { soft: true });
    await cache.clear();
    expect(cache.recentInvalidations()).toEqual([
      { at: 1_005, kind: 'pattern', name: '*', soft: false, by: undefined, removed: undefined },
      { at: 1_005, kind: 'tag', name: 'red', soft: true, by: undefined, removed: undefined },
      { at: 1_005, kind: 'pattern', name: 'b:*', soft: false, by: undefined, removed: 1 },
      { at: 1_000, kind: 'key', name: 'a', soft: false, by: 'budget#1', removed: 1 },
    ]);
    expect(cache.recentInvalidations(1)).toHaveLength(1);
  });

  test('are limited in number, and omit those that removed no entries and name no author', async () => {
    const cache = open();
    await cache.invalidate('never stored');
    await cache.invalidate('never stored', { by: 'budget#1' });
    expect(cache.recentInvalidations()).toMatchObject([{ by: 'budget#1', removed: 0 }]);
    for (let i = 0; i < 500; i++) await cache.invalidateTag(`t${i}`);
    expect(cache.recentInvalidations(1_000)).toHaveLength(100);
    expect(cache.recentInvalidations()[0]!.name).toBe('t499');
  });
});
