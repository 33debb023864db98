/** What only the layer in memory has: bounds that can be changed, bytes, and a cheap reading of the clock. */
import fc from '../support/fast-check.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { TagGenerations } from '../../src/caching/tag-generations.js';
import { estimateSize } from '../../src/caching/value-size.js';
import { FakeClock } from '../../src/testing.js';

test('the least recently used goes first', () => {
  const layer = new MemoryCacheLayer({ maxSize: 3 });
  for (const key of ['a', 'b', 'c']) layer.set(key, key);
  layer.get('a');
  layer.has('b'); // looking is not using
  layer.set('d', 'd');
  expect(layer.keys()).toEqual(['d', 'a', 'c']);
  expect(layer.getStats()).toMatchObject({ size: 3, evictions: 1, maxSize: 3 });
});

test('setMaxSize takes effect at once, and keeps what was used last', () => {
  const layer = new MemoryCacheLayer({ maxSize: 5 });
  for (const key of ['a', 'b', 'c', 'd', 'e']) layer.set(key, key);
  layer.get('a');
  layer.setMaxSize(2);
  expect(layer.keys()).toEqual(['a', 'e']);
  expect(layer.getStats()).toMatchObject({ size: 2, evictions: 3, maxSize: 2 });
  layer.setMaxSize(3);
  layer.set('f', 'f');
  expect(layer.keys()).toEqual(['f', 'a', 'e']);
  expect(layer.invalidatePattern('*').sort()).toEqual(['a', 'e', 'f']);
  expect(() => layer.setMaxSize(0)).toThrow(RangeError);
});

test('bytes are bounded too; what is larger than the bound is not kept, nor what it replaces', () => {
  const layer = new MemoryCacheLayer({ maxBytes: 10_000 });
  for (let i = 0; i < 100; i++) layer.set(`key:${i}`, Buffer.alloc(1000));
  expect(layer.getStats().bytes).toBeLessThanOrEqual(10_000);
  expect(layer.getStats().size).toBeGreaterThan(5);
  layer.set('key:99', Buffer.alloc(20_000));
  expect(layer.get('key:99')).toBeUndefined();
  expect(layer.write('key:98', { value: Buffer.alloc(20_000), ttl: 1000, grace: 0, tags: [] })).toBe(false);
});

test('values are held by reference', () => {
  const layer = new MemoryCacheLayer();
  const value = { n: 1 };
  layer.set('a', value);
  expect(layer.get('a')).toBe(value);
  expect(layer.peek('a')).toBe(value);
});

test('cleanup removes what has expired, patterns find what was added after the index was built', () => {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ clock });
  layer.set('a:1', 1, 100);
  layer.set('a:2', 1, 1000);
  clock.set(clock.now() + 100);
  expect(layer.cleanup()).toBe(1);
  expect(layer.getStats()).toMatchObject({ size: 1, expirations: 1 });
  expect(layer.invalidatePattern('b:*')).toEqual([]);
  layer.set('b:1', 1);
  layer.set('b:1', 2);
  expect(layer.invalidatePattern('b:*')).toEqual(['b:1']);
  expect(layer.invalidatePattern('b:*')).toEqual([]);
  layer.destroy();
  expect(clock.pendingTimers).toBe(0);
});

test("the machine's clock is read at most once a millisecond, and jumps of the wall clock change no lifetime", () => {
  jest.useFakeTimers();
  const read = jest.spyOn(performance, 'now');
  const layer = new MemoryCacheLayer();
  layer.set('a', 1, 1000);
  read.mockClear();
  for (let i = 0; i < 100; i++) layer.get('a');
  expect(read).toHaveBeenCalledTimes(1);
  jest.setSystemTime(Date.now() + 3_600_000);
  jest.advanceTimersByTime(999);
  expect(layer.get('a')).toBe(1);
  jest.advanceTimersByTime(2);
  expect(layer.get('a')).toBeUndefined();
  read.mockRestore();
  jest.useRealTimers();
});

test('tags are remembered within a bound; older tagged entries then count as invalidated', () => {
  const tags = new TagGenerations();
  const before = tags.current;
  for (let i = 0; i < 10_001; i++) tags.invalidate(`tag:${i}`, false);
  expect(tags.verdict(['quiet'], before)).toBe('gone');
  expect(tags.verdict(['quiet'], tags.current)).toBe('valid');
  expect(tags.verdict(['tag:10000'], tags.current - 1)).toBe('gone');
});

test('the size of any value is estimated, in bounded time', () => {
  const cyclic: unknown[] = [new Map([['k', new Set([1])]]), Buffer.alloc(100), 'text', null];
  cyclic.push(cyclic);
  expect(estimateSize(cyclic)).toBeGreaterThan(100);
  expect(estimateSize(Buffer.alloc(5000))).toBeGreaterThanOrEqual(5000);
  expect(estimateSize(Array.from({ length: 50_000 }, (_, i) => ({ i })))).toBeGreaterThan(50_000 * 40);
  fc.assert(fc.property(fc.anything(), (value) => expect(estimateSize(value)).toBeGreaterThan(0)));
});

test('options are checked', () => {
  expect(() => new MemoryCacheLayer({ maxSise: 1 } as never)).toThrow("did you mean 'maxSize'?");
  expect(() => new MemoryCacheLayer({ maxSize: 0 })).toThrow(RangeError);
  expect(() => new MemoryCacheLayer({ maxSize: Infinity })).toThrow(RangeError);
  expect(() => new MemoryCacheLayer().set('a', 1, -5)).toThrow(RangeError);
});
