/** The cache in a folder. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PersistentCache, type PersistentCacheOptions } from '../../src/caching/persistent-cache.js';
import { FakeClock } from '../../src/testing.js';

const folder = mkdtempSync(join(tmpdir(), 'persistent-cache-'));
const opened: PersistentCache[] = [];
let folders = 0;

afterEach(() => {
  for (const cache of opened.splice(0)) cache.destroy();
});
afterAll(() => rmSync(folder, { recursive: true }));

const newFolder = (): string => join(folder, String(folders++));

function open(options: PersistentCacheOptions = {}): PersistentCache {
  const cache = new PersistentCache({ cacheDir: newFolder(), ...options });
  opened.push(cache);
  return cache;
}

test('keeps values, null on a miss', async () => {
  const cache = open();
  await cache.set('a', { n: 1 });
  expect(await cache.get('a')).toEqual({ n: 1 });
  expect(await cache.get('b')).toBeNull();
  expect(await cache.delete('a')).toBe(true);
  expect(await cache.delete('a')).toBe(false);
  expect(await cache.get('a')).toBeNull();
  expect(cache.getStats()).toMatchObject({ memoryHits: 1, misses: 2 });
});

test('hits are those of memory and disk', async () => {
  const cache = open({ maxMemoryItems: 1 });
  expect(cache.getStats().hits).toBe(0);
  await cache.set('a', 1);
  await cache.set('b', 2); // 'a' is on disk only now
  for (const key of ['b', 'a', 'a', 'none']) await cache.get(key);
  const { hits, memoryHits, diskHits, misses } = cache.getStats();
  expect({ hits, misses }).toEqual({ hits: 3, misses: 1 });
  expect([memoryHits + diskHits, diskHits > 0]).toEqual([3, true]);
});

test('survives a restart, beyond what memory holds', async () => {
  const cacheDir = newFolder();
  const first = open({ cacheDir, maxMemoryItems: 2 });
  for (let i = 0; i < 10; i++) await first.set(`key:${i}`, Buffer.from([i]));
  expect(first.getSize()).toBe(10);
  expect(await first.get('key:0')).toEqual(Buffer.from([0]));
  await first[Symbol.asyncDispose]();
  first.close();
  expect(existsSync(join(cacheDir, 'cache.db'))).toBe(true);
  const second = open({ cacheDir, compress: false });
  expect(await second.get('key:9')).toEqual(Buffer.from([9]));
  await second.clear();
  expect([second.getSize(), await second.get('key:9')]).toEqual([0, null]);
});

test('forgets in time, and cleans up', async () => {
  const clock = new FakeClock();
  const cache = open({ ttl: 1000, clock });
  await cache.set('a', 1);
  await cache.set('b', 1, Infinity);
  clock.set(clock.now() + 1000);
  expect([await cache.get('a'), await cache.get('b')]).toEqual([null, 1]);
  expect(await cache.cleanup()).toBeGreaterThanOrEqual(1);
  expect(cache.getSize()).toBe(1);
  cache.destroy();
  expect(clock.pendingTimers).toBe(0);
});

test('options are checked', () => {
  expect(() => new PersistentCache({ cachedir: 'x' } as never)).toThrow("did you mean 'cacheDir'?");
  expect(() => new PersistentCache({ maxMemoryItems: 0 })).toThrow(RangeError);
});
