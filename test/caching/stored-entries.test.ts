/** Counting what an invalidation would remove, by real caches on real files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countEntries, MultiLayerCacheManager } from '../../src/index.js';

let folder: string;
let dbPath: string;
let cache: MultiLayerCacheManager;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stored-entries-'));
  dbPath = join(folder, 'cache.sqlite');
  cache = new MultiLayerCacheManager({ memory: { maxSize: 2, ttl: 60_000 }, disk: { dbPath, ttl: 60_000 } });
});

afterEach(() => {
  cache.destroy();
  rmSync(folder, { recursive: true, force: true });
});

const count = (selection: Parameters<typeof countEntries>[1]) =>
  countEntries({ memory: cache.memory, dbPath }, selection);

test('entries in memory and on disk count once, and counting removes nothing', async () => {
  for (const key of ['user:1', 'user:2', 'user:3', 'order:1']) await cache.set(key, 1);
  expect(count({ keys: 'user:*' })).toBe(3);
  expect(count({ keys: '*' })).toBe(4);
  expect(count({ keys: 'user:1' })).toBe(1);
  expect(count({ keys: 'nothing*' })).toBe(0);
  expect(await cache.invalidatePattern('user:*')).toBe(3);
  expect(count({ keys: '*' })).toBe(1);
});

test('what carries a tag counts until the tag is invalidated', async () => {
  await cache.set('a', 1, { tags: ['x', 'y'] });
  await cache.set('b', 1, { tags: ['y'] });
  await cache.set('c', 1);
  expect(count({ tag: 'y' })).toBe(2);
  await cache.invalidateTag('x');
  expect(count({ tag: 'y' })).toBe(1);
  expect(count({ keys: '*' })).toBe(2);
});

test('entries whose time has passed do not count', async () => {
  await cache.set('short', 1, { ttl: 1 }, ['disk']);
  await cache.set('long', 1);
  while ((await cache.get('short')) !== undefined) await new Promise(setImmediate);
  expect(count({ keys: '*' })).toBe(1);
});

test('a cache without a file counts what is in memory', () => {
  expect(countEntries({ memory: cache.memory }, { keys: '*' })).toBe(0);
  expect(countEntries({ memory: cache.memory, dbPath: join(folder, 'none.sqlite') }, { tag: 'x' })).toBe(0);
});
