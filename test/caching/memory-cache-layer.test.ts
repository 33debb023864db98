/** Behaviour of the layer in memory only: limits that can be changed, byte counts, and cheap reads of the clock. */
import fc from '../support/fast-check.js';
import { MemoryCacheLayer } from '../../src/caching/memory-cache-layer.js';
import { KEYS_PER_SLICE } from '../../src/caching/sliced-jobs.js';
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

const DAY = 86_400_000;

test('at every age up to 400 days, with grace, tags or neither, a value lives exactly as long as it was given', () => {
  const lifetime = fc.record({
    age: fc.double({ min: 0, max: 400 * DAY, noNaN: true }),
    ttl: fc.oneof(fc.integer({ min: 1, max: 400 * DAY }), fc.constantFrom(1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 30 * DAY)),
    grace: fc.constantFrom(0, 0, 1000, 60 * DAY),
    tags: fc.constantFrom<string[]>([], [], ['t']),
  });
  fc.assert(
    fc.property(lifetime, ({ age, ttl, grace, tags }) => {
      let now = 1_000_000;
      const layer = new MemoryCacheLayer({ clock: { now: () => now } });
      now += Math.floor(age);
      layer.write('a', { value: 1, ttl, grace, tags });
      now += ttl - 1;
      expect([layer.get('a'), layer.peek('a'), layer.has('a'), layer.read('a')?.ttl]).toEqual([1, 1, true, 1]);
      now += 1;
      expect([layer.get('a'), layer.peek('a'), layer.has('a')]).toEqual([undefined, undefined, false]);
      expect(layer.read('a')).toEqual(grace === 0 ? undefined : { value: 1, ttl: 0, grace, tags });
      now += grace;
      expect(layer.read('a')).toBeUndefined();
      layer.set('forever', 1, Infinity);
      now += 400 * DAY;
      expect(layer.get('forever')).toBe(1);
    }),
    { numRuns: 300 },
  );
});

test('in a process that is up for up to 400 days, the default clock still expires what it should', () => {
  jest.useFakeTimers();
  for (const days of [1, 24, 25, 50, 400]) {
    const layer = new MemoryCacheLayer();
    jest.advanceTimersByTime(days * DAY);
    layer.set('a', 1, 1000);
    jest.advanceTimersByTime(990);
    expect(layer.peek('a')).toBe(1);
    jest.advanceTimersByTime(11);
    expect([layer.peek('a'), layer.get('a'), layer.has('a')]).toEqual([undefined, undefined, false]);
  }
  jest.useRealTimers();
});

test('changing the size keeps what remains of each lifetime', () => {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ clock });
  layer.set('a', 1, 100);
  layer.set('b', null, Infinity);
  layer.write('c', { value: 1, ttl: 50, grace: 50, tags: ['t'] });
  clock.set(clock.now() + 40);
  layer.setMaxSize(10);
  expect(layer.read('a')?.ttl).toBe(60);
  clock.set(clock.now() + 59);
  expect([layer.get('a'), layer.read('c')?.grace]).toEqual([1, 1]);
  clock.set(clock.now() + 1);
  expect([layer.get('a'), layer.read('c'), layer.get('b')]).toEqual([undefined, undefined, null]);
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

test('a clock that is set back a little makes no lifetime longer', () => {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ clock });
  layer.set('bare', 1, 100);
  layer.write('graceful', { value: 1, ttl: 100, grace: 50, tags: [] });
  clock.set(clock.now() + 60);
  expect([layer.get('bare'), layer.get('graceful')]).toEqual([1, 1]);
  clock.set(clock.now() - 2_000);
  expect([layer.get('bare'), layer.get('graceful')]).toEqual([1, 1]);
  clock.set(clock.now() + 40);
  expect([layer.get('bare'), layer.get('graceful'), layer.read('graceful')?.grace]).toEqual([undefined, undefined, 50]);
});

test('after a clock was set back by more than two seconds, no value is older than its lifetime', () => {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ clock });
  layer.set('bare', 1, 100);
  layer.write('graceful', { value: 1, ttl: 100, grace: 50, tags: [] });
  layer.set('forever', 1, Infinity);
  clock.set(clock.now() + 150); // not read at this time
  clock.set(clock.now() - 3_600_000);
  expect([layer.get('bare'), layer.read('graceful'), layer.get('forever')]).toEqual([undefined, undefined, 1]);
  layer.set('new', 1, 100);
  clock.set(clock.now() + 99);
  expect(layer.get('new')).toBe(1);
  clock.set(clock.now() + 1);
  expect(layer.get('new')).toBeUndefined();
});

test('a lookup that finds nothing reads a given clock, so that it shows when that is set back', () => {
  const clock = new FakeClock();
  const layer = new MemoryCacheLayer({ clock });
  layer.set('a', 1, 50_000);
  clock.set(clock.now() + 60_000);
  layer.read('none');
  clock.set(clock.now() - 60_000);
  expect(layer.get('a')).toBeUndefined();
});

describe('the clear of a large layer', () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const MANY = 4 * KEYS_PER_SLICE;

  function filled(): MemoryCacheLayer {
    const layer = new MemoryCacheLayer({ maxSize: 2 * MANY, maxBytes: 2 ** 40 });
    for (let i = 0; i < MANY; i++) layer.set(`key:${i}`, i);
    return layer;
  }

  test('takes effect at once, and each turn of the event loop removes a part of the entries', async () => {
    const layer = filled();
    const perEntry = layer.getStats().bytes / MANY;
    layer.clear();
    let left = layer.getStats().bytes;
    expect(MANY - left / perEntry).toBeLessThan(1.1 * KEYS_PER_SLICE);
    layer.set('key:1', 'new');
    expect(layer.getStats().size).toBe(1);
    expect(layer.keys()).toEqual(['key:1']);
    expect([layer.get('key:0'), layer.get('key:1')]).toEqual([undefined, 'new']);
    for (let turns = 0; turns <= MANY / KEYS_PER_SLICE + 1; turns++) {
      await turn();
      const { bytes } = layer.getStats();
      expect((left - bytes) / perEntry).toBeLessThan(1.1 * KEYS_PER_SLICE); // longer keys take more bytes
      left = bytes;
    }
    expect(left).toBeLessThan(2 * perEntry);
    expect(layer.getStats()).toMatchObject({ size: 1, evictions: 0, expirations: 0 });
  });

  test('cannot be distinguished from a clear at once', async () => {
    const key = fc.integer({ min: 0, max: MANY }).map((i) => `key:${i % 7 === 0 ? i : i % 5}`);
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constantFrom('set' as const, 'get' as const, 'delete' as const), key }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('turn' as const, 'turn' as const), key }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constantFrom('clear', 'cleanup', 'resize', 'pattern' as const), key }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const layer = filled();
        layer.clear();
        const model = new Map<string, number>();
        let value = 0;
        for (const { kind, key } of steps) {
          if (kind === 'set') {
            model.set(key, ++value);
            layer.set(key, value);
          } else if (kind === 'get') expect(layer.get(key)).toBe(model.get(key));
          else if (kind === 'delete') expect(layer.delete(key)).toBe(model.delete(key));
          else if (kind === 'turn') await turn();
          else if (kind === 'cleanup') expect(layer.cleanup()).toBe(0);
          else if (kind === 'resize') layer.setMaxSize(MANY + ++value);
          else if (kind === 'pattern') {
            expect(layer.invalidatePattern(`${key}*`).sort()).toEqual(
              [...model.keys()].filter((one) => one.startsWith(key)).sort(),
            );
            for (const one of model.keys()) if (one.startsWith(key)) model.delete(one);
          } else {
            layer.clear();
            model.clear();
          }
          expect(layer.getStats().size).toBe(model.size);
        }
        expect(layer.keys().sort()).toEqual([...model.keys()].sort());
      }),
      { numRuns: 20 },
    );
  });

  test('entries from before it are evicted first and count as no evictions', () => {
    const layer = new MemoryCacheLayer({ maxSize: MANY });
    for (let i = 0; i < MANY; i++) layer.set(`old:${i}`, i);
    layer.clear();
    for (let i = 0; i < MANY; i++) layer.set(`new:${i}`, i);
    expect(layer.getStats()).toMatchObject({ size: MANY, evictions: 0 });
    layer.set('one more', 1);
    expect(layer.getStats()).toMatchObject({ size: MANY, evictions: 1 });
  });
});
