/** Behaviour of the layer over a Keyv store only: any store, several processes, stores that hang or list no keys. */
import Keyv from 'keyv';
import { KeyvCacheLayer } from '../../src/caching/keyv-cache-layer.js';
import type { KeyvTarget } from '../../src/caching/keyv-cache-store.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { FakeClock } from '../../src/testing.js';

/** A store that, like most, lists nothing. */
function unlisted(map = new Map<string, string>()): KeyvTarget {
  return {
    get: (key) => map.get(key),
    set: (key, value) => map.set(key, value),
    delete: (key) => map.delete(key),
  };
}

test('two layers on one store: an invalidation by tag and a clearing reach both', async () => {
  const store = unlisted();
  const [a, b] = [new KeyvCacheLayer({ store }), new KeyvCacheLayer({ store })];
  await a.write('k', { value: Buffer.from([0, 255]), ttl: 1000, grace: 0, tags: ['t'] });
  expect(await b.get('k')).toEqual(Buffer.from([0, 255]));
  await b.invalidateTag('t');
  expect(await a.get('k')).toBeUndefined();
  await a.set('k', 'x'.repeat(5_000));
  await b.clear();
  expect(await a.get('k')).toBeUndefined();
});

test('a mark that was evicted outdates what carries the tag', async () => {
  const map = new Map<string, string>();
  const layer = new KeyvCacheLayer({ store: unlisted(map) });
  await layer.write('k', { value: 1, ttl: 1000, grace: 0, tags: ['t'] });
  map.delete('cache:t:t');
  expect(await layer.get('k')).toBeUndefined();
});

test('entries written at the same time share the first mark of a tag', async () => {
  const layer = new KeyvCacheLayer({ store: unlisted() });
  const keys = ['a', 'b', 'c'];
  const write = (key: string): unknown => layer.write(key, { value: key, ttl: 1000, grace: 0, tags: ['t'] });
  await Promise.all(keys.map(write));
  expect(await Promise.all(keys.map((key) => layer.get(key)))).toEqual(keys);
});

test('where keys cannot be listed, a pattern removes everything', async () => {
  const layer = new KeyvCacheLayer({ store: unlisted() });
  await layer.set('a:1', 1);
  await layer.set('b:1', 1);
  expect(await layer.invalidatePattern('a:*')).toEqual([]);
  expect([await layer.get('a:1'), await layer.get('b:1')]).toEqual([undefined, undefined]);
});

test('below the manager: loads are stored there, and others find them', async () => {
  const store = new Keyv({ store: new Map() }) as KeyvTarget;
  const open = (): MultiLayerCacheManager => new MultiLayerCacheManager({ redis: new KeyvCacheLayer({ store }) });
  const [a, b] = [open(), open()];
  expect(await a.getOrSet('k', () => 'loaded', { ttl: 10_000, tags: ['t'] })).toBe('loaded');
  expect(await b.getOrSet('k', () => 'again')).toBe('loaded');
  await a.set('only', 1, 10_000, ['keyv']);
  expect([await b.get('only'), b.getStats().layers.keyv?.hits]).toEqual([1, 2]);
  a.destroy();
  b.destroy();
});

test('a store that hangs or fails is a miss, and an invalidation that it missed is repeated', async () => {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  let answer: 'now' | 'never' = 'now';
  const map = new Map<string, string>();
  const store: KeyvTarget = {
    get: (key) => (answer === 'now' ? map.get(key) : new Promise(() => undefined)),
    set: (key, value) => map.set(key, value),
    delete: (key) => (answer === 'now' ? map.delete(key) : Promise.reject(new Error('away'))),
  };
  const layer = new KeyvCacheLayer({ store, clock, onError: (error) => errors.push(error) });
  await layer.set('k', 1);
  answer = 'never';
  const [value, removed] = [layer.get('k'), layer.delete('k')];
  await clock.advance(250);
  expect([await value, await removed, errors.length]).toEqual([undefined, false, 2]);
  answer = 'now';
  await clock.advance(1_000);
  expect([await layer.get('k'), map.has('cache:e:k')]).toEqual([undefined, false]);
});

test('options are checked', () => {
  expect(() => new KeyvCacheLayer({} as never)).toThrow(/store/);
  expect(() => new KeyvCacheLayer({ store: {} as never })).toThrow(/a Keyv store/);
});
