/** Long work of the disk layer: it leaves turns to the event loop and to other processes, and loses nothing by that. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { SlicedRemoval } from '../../src/caching/disk-removal.js';
import type { Statements } from '../../src/caching/disk-schema.js';
import { FileUpkeep } from '../../src/caching/file-upkeep.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { encodeValue } from '../../src/caching/value-codec.js';
import { openSqlite } from '../../src/shared/sqlite-driver.js';
import { FakeClock } from '../../src/testing.js';

const folder = mkdtempSync(join(tmpdir(), 'disk-removal-'));
const closers: Array<() => void> = [];
let files = 0;

afterEach(() => {
  while (closers.length > 0) closers.pop()!();
});
afterAll(() => rmSync(folder, { recursive: true }));

const newFile = (): string => join(folder, `${files++}`, 'cache.db');

function open(dbPath = newFile()): DiskCacheLayer {
  const layer = new DiskCacheLayer({ dbPath, busyTimeout: 0 });
  closers.push(() => layer.destroy());
  return layer;
}

function fill(layer: DiskCacheLayer, count: number, value = 'x'): void {
  layer.transaction(() => {
    for (let i = 0; i < count; i++) layer.set(`k:${i}`, value);
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a removal in slices', () => {
  test('ends its slice, and goes on in a later turn of the event loop', async () => {
    let hadTurn = false;
    const removal = { result: 'all', step: () => hadTurn };
    const work = new SlicedRemoval(removal, (step) => step({} as Statements)).run();
    setImmediate(() => (hadTurn = true));
    await expect(work).resolves.toBe('all');
  });

  test('is done at once where there is little', () => {
    const layer = open();
    fill(layer, 3);
    expect(layer.invalidatePatternInBackground('k:*')).toEqual(['k:0', 'k:1', 'k:2']);
    fill(layer, 3);
    expect(layer.clearInBackground()).toBeUndefined();
    expect(layer.getStats().size).toBe(0);
  });

  test('removes what matches, and keeps what is written meanwhile elsewhere', async () => {
    const layer = open();
    fill(layer, 20_000);
    layer.set('other', 1);
    const work = layer.invalidatePatternInBackground('k:*9');
    expect(work).toBeInstanceOf(Promise);
    layer.set('later', 1);
    expect((await work).length).toBe(2_000);
    expect(layer.getStats().size).toBe(18_002);
  });

  test('clears what was there before, not what is written meanwhile', async () => {
    const layer = open();
    fill(layer, 20_000);
    const work = layer.clearInBackground();
    expect(work).toBeInstanceOf(Promise);
    layer.set('later', 1);
    await work;
    expect([layer.get('later'), layer.getStats().size]).toEqual([1, 1]);
  });

  test('waits while another process holds the lock', async () => {
    const path = newFile();
    const layer = open(path);
    fill(layer, 20_000);
    const work = layer.invalidatePatternInBackground('*');
    const other = openSqlite(path, { timeout: 0 });
    other.exec('BEGIN IMMEDIATE');
    for (let i = 0; i < 5; i++) await turn();
    expect(layer.getStats().size).toBeGreaterThan(0);
    other.exec('COMMIT');
    other.close();
    expect((await work).length).toBe(20_000);
    expect(layer.getStats().size).toBe(0);
  });

  test('finds keys with a NUL, which some drivers end a text at', () => {
    const layer = open();
    layer.set('a\0b', 'x\0y');
    layer.set('a\0c', 1);
    expect(layer.get('a\0b')).toBe('x\0y');
    expect(layer.invalidatePattern('a\0*')).toEqual(['a\0b', 'a\0c']);
    expect(encodeValue('x\0y', Infinity).data).not.toContain('\0');
  });

  test('is what the manager does, and memory forgets before it is done', async () => {
    const cache = new MultiLayerCacheManager({ disk: { dbPath: newFile() } });
    closers.push(() => cache.destroy());
    fill(cache.disk!, 20_000);
    await cache.set('k:1', 'in memory');
    const work = cache.invalidatePattern('k:*');
    expect(cache.peek('k:1')).toBeUndefined();
    expect(await work).toBe(20_000);
    fill(cache.disk!, 20_000);
    await cache.clear();
    expect(cache.disk!.getStats().size).toBe(0);
  });

  test('that the end of the cache interrupts is no failure of the layer', async () => {
    const errors: unknown[] = [];
    const cache = new MultiLayerCacheManager({ disk: { dbPath: newFile() }, onError: (error) => errors.push(error) });
    fill(cache.disk!, 20_000);
    const work = cache.clear();
    cache.destroy();
    await work;
    expect(errors).toEqual([]);
  });
});

test('a checkpoint leaves a short log that is begun already, so that no write waits for the disk', async () => {
  const path = newFile();
  const layer = open(path);
  fill(layer, 5_000, 'x'.repeat(900));
  const before = statSync(`${path}-wal`).size;
  const upkeep = new FileUpkeep(path);
  closers.push(() => upkeep.close());
  await upkeep.run({ kind: 'checkpoint' });
  const after = statSync(`${path}-wal`).size;
  expect(before).toBeGreaterThan(4_000_000);
  expect(after).toBeGreaterThan(0);
  expect(after).toBeLessThan(20_000);
  expect(layer.get('k:4999')).toHaveLength(900);
});

test('a file can be opened while another process holds its lock', () => {
  const path = newFile();
  open(path).set('k', 1);
  const other = openSqlite(path, { timeout: 0 });
  other.exec('BEGIN IMMEDIATE');
  expect(open(path).get('k')).toBe(1);
  other.exec('ROLLBACK');
  other.close();
});

test('what is from before the clock was set back is gone, also when the clock has caught up', async () => {
  const clock = new FakeClock();
  const layer = new DiskCacheLayer({ dbPath: newFile(), clock });
  closers.push(() => layer.destroy());
  layer.set('k', 1, 50_000);
  clock.set(clock.now() - 60_000);
  expect(layer.get('k')).toBeUndefined();
  await turn();
  layer.set('later', 1, 100_000);
  clock.set(clock.now() + 60_000);
  expect([layer.get('k'), layer.get('later')]).toEqual([undefined, 1]);
});
