/** Behaviour of the layer on disk only: its file, its size limit, other processes on the file, and faults. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import type { DiskCacheLayerOptions } from '../../src/caching/disk-options.js';
import { openSqlite } from '../../src/shared/sqlite-driver.js';
import { FakeClock } from '../../src/testing.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';

const folder = mkdtempSync(join(tmpdir(), 'disk-cache-'));
const opened: DiskCacheLayer[] = [];
const children: ChildProcess[] = [];
let files = 0;

afterEach(async () => {
  for (const layer of opened.splice(0)) layer.destroy();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

const newFile = (): string => join(folder, `${files++}`, 'cache.db');

function open(dbPath = newFile(), options: Partial<DiskCacheLayerOptions> = {}): DiskCacheLayer {
  const layer = new DiskCacheLayer({ dbPath, ...options });
  opened.push(layer);
  return layer;
}

function start(...args: string[]): ChildProcess {
  const child = startProgram(bundle, ...args);
  children.push(child);
  return child;
}

const bundle = bundleProgram(join(__dirname, 'disk-writer-program.ts'), folder);

describe('values', () => {
  const shared = { n: 1 };
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  test.each<[string, unknown]>([
    ['text', 'ü🔑\0\n'],
    ['text that UTF-8 cannot hold', 'a\ud800b'],
    ['a number', 1.5],
    ['-0', -0],
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['a bigint', 12345678901234567890n],
    ['a boolean', false],
    ['null', null],
    ['a Buffer', Buffer.from([0, 1, 255])],
    ['an empty Buffer', Buffer.alloc(0)],
    ['a typed array', Float64Array.of(1.5, -0)],
    ['a Date', new Date(0)],
    ['a Map', new Map([[{ k: 1 }, new Set([1, undefined])]])],
    ['a regular expression', /a+/gi],
    ['an Error', new Error('e')],
    ['undefined within', { a: undefined, b: [undefined] }],
    ['holes', [1, , 3]], // eslint-disable-line no-sparse-arrays
    ['an array with a property', Object.assign([1], { x: 1 })],
    ['a Date within', { at: new Date(5) }],
    ['an own __proto__', JSON.parse('{"__proto__":{"x":1}}')],
    ['a cycle', cyclic],
    ['something twice', [shared, shared]],
    ['plain data', { a: [1, 'two', { three: null }], b: '\ud800' }],
  ])('%s comes back as it was, compressed or not', (_name, value) => {
    for (const compressionThreshold of [Infinity, 0]) {
      const layer = open(':memory:', { compressionThreshold });
      layer.set('a', value);
      expect(layer.get('a')).toEqual(value);
      expect(layer.read('a')?.value).toEqual(value);
    }
  });

  test('identity within a value survives', () => {
    const layer = open(':memory:');
    layer.set('twice', [shared, shared]);
    layer.set('cycle', cyclic);
    const twice = layer.get<object[]>('twice');
    expect(twice?.[0]).toBe(twice?.[1]);
    const cycle = layer.get<{ self: unknown }>('cycle');
    expect(cycle?.self).toBe(cycle);
  });

  test('what cannot be cloned is refused', () => {
    expect(() => open(':memory:').set('a', () => 1)).toThrow(/could not be cloned/);
  });

  test('a key that UTF-8 cannot hold is never answered for another', () => {
    const layer = open(':memory:');
    layer.set('a\ud800', 1);
    layer.set('a\ufffd', 2);
    expect(layer.get('a\ud801')).not.toBe(1);
    expect(layer.get('a\ufffd')).toBe(2);
  });

  test('large values are compressed, where that makes them smaller', () => {
    const path = newFile();
    const layer = open(path);
    layer.set('text', 'abc'.repeat(100_000));
    layer.set('noise', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 2654435761) >>> 24)));
    layer.set('small', 'abc');
    const sizes = openSqlite(path, { readonly: true });
    const size = sizes
      .prepare<[string], number>('SELECT length(CAST(value AS BLOB)) FROM cache_entries WHERE key = ?')
      .pluck();
    expect(size.get('text')).toBeLessThan(10_000);
    expect(size.get('small')).toBe(3);
    sizes.close();
    expect(layer.get('text')).toBe('abc'.repeat(100_000));
  });

  test('a value whose bytes were damaged is a miss', () => {
    const path = newFile();
    const layer = open(path);
    layer.set('a', { n: 1 });
    const other = openSqlite(path);
    other.prepare('UPDATE cache_entries SET value = ?').run('{"n":');
    other.close();
    expect(layer.get('a')).toBeUndefined();
    expect(layer.read('a')).toBeUndefined();
    layer.set('a', 2);
    expect(layer.get('a')).toBe(2);
  });
});

describe('the file', () => {
  test('its folder is made, its values survive', () => {
    const path = newFile();
    const first = open(path);
    first.set('a', 1);
    first.destroy();
    expect(() => first.get('a')).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }));
    expect(open(path).get('a')).toBe(1);
  });

  test('stays within its bound: what was written longest ago goes first', () => {
    const path = newFile();
    const maxDbSize = 1024 * 1024;
    const layer = open(path, { maxDbSize, compressionThreshold: Infinity });
    for (let i = 0; i < 3000; i++) layer.set(`key:${i}`, 'x'.repeat(1000));
    layer.set('key:2990', 'rewritten');
    for (let i = 3000; i < 3005; i++) layer.set(`key:${i}`, 'x'.repeat(1000));
    expect(statSync(path).size).toBeLessThanOrEqual(maxDbSize);
    expect(layer.getStats().evictions).toBeGreaterThan(1000);
    expect(layer.get('key:0')).toBeUndefined();
    expect(layer.get('key:3004')).toHaveLength(1000);
    expect(layer.get('key:2990')).toBe('rewritten');
    expect(layer.getStats().size).toBeGreaterThan(400);
  });

  test('so it does within a transaction', () => {
    const path = newFile();
    const maxDbSize = 512 * 1024;
    const layer = open(path, { maxDbSize, compressionThreshold: Infinity });
    layer.transaction(() => {
      for (let i = 0; i < 2000; i++) layer.set(`key:${i}`, 'x'.repeat(1000));
    });
    expect(layer.get('key:1999')).toHaveLength(1000);
    expect(statSync(path).size).toBeLessThanOrEqual(maxDbSize);
  });

  test('a value too large for it is not kept, nor is what it replaces', () => {
    const layer = open(newFile(), { maxDbSize: 256 * 1024, compressionThreshold: Infinity });
    layer.set('other', 1);
    layer.set('a', 'old');
    layer.set('a', Buffer.alloc(200 * 1024));
    expect(layer.get('a')).toBeUndefined();
    expect(layer.get('other')).toBe(1);
  });

  test('a file from a time with a larger bound is brought within the present one', () => {
    const path = newFile();
    const large = open(path, { compressionThreshold: Infinity });
    large.transaction(() => {
      for (let i = 0; i < 3000; i++) large.set(`key:${i}`, 'x'.repeat(1000));
    });
    large.destroy();
    const small = open(path, { maxDbSize: 1024 * 1024 });
    expect(statSync(path).size).toBeLessThanOrEqual(1024 * 1024);
    expect(small.get('key:2999')).toHaveLength(1000);
  });

  test('vacuum gives back what deleting left free', async () => {
    const path = newFile();
    const layer = open(path, { compressionThreshold: Infinity });
    layer.transaction(() => {
      for (let i = 0; i < 1000; i++) layer.set(`key:${i}`, 'x'.repeat(1000));
    });
    layer.invalidatePattern('key:*');
    await layer.vacuum();
    expect(statSync(path).size).toBeLessThan(100_000);
  });

  test('cleanup removes what has expired, also by itself, and forgets settled tags and lapsed leases', async () => {
    const clock = new FakeClock();
    const path = newFile();
    const layer = open(path, { clock, cleanupInterval: 60_000 });
    for (let i = 0; i < 2500; i++) layer.set(`key:${i}`, i, 1000);
    layer.set('kept', 1);
    layer.write('tagged', { value: 1, ttl: 5000, grace: 0, tags: ['t'] });
    layer.lease('key', 1000);
    layer.invalidateTag('t');
    layer.invalidateTag('u');
    clock.set(clock.now() + 1000);
    expect(layer.cleanup()).toBe(2500);
    const raw = openSqlite(path, { readonly: true });
    const rows = (table: string): unknown => raw.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
    expect([rows('cache_entries'), rows('cache_tags'), rows('cache_leases')]).toEqual([2, 2, 0]);
    await clock.advance(60_000);
    expect([rows('cache_entries'), rows('cache_tags')]).toEqual([1, 0]);
    raw.close();
    layer.destroy();
    expect(clock.pendingTimers).toBe(0);
  });

  test('too many tags are forgotten safely: older tagged entries count as invalidated', () => {
    const layer = open(':memory:');
    layer.write('old', { value: 1, ttl: Infinity, grace: 0, tags: ['quiet'] });
    layer.write('plain', { value: 1, ttl: Infinity, grace: 0, tags: [] });
    layer.transaction(() => {
      for (let i = 0; i < 10_050; i++) layer.invalidateTag(`tag:${i}`);
    });
    layer.write('new', { value: 1, ttl: Infinity, grace: 0, tags: ['tag:1'] });
    layer.cleanup();
    expect([layer.get('old'), layer.get('plain'), layer.get('new')]).toEqual([undefined, 1, 1]);
  });

  test('a transaction keeps all or nothing', () => {
    const layer = open();
    expect(() =>
      layer.transaction(() => {
        layer.set('a', 1);
        throw new Error('theirs');
      }),
    ).toThrow('theirs');
    expect(layer.get('a')).toBeUndefined();
    expect(
      layer.transaction(() => {
        layer.set('a', 1);
        return layer.get('a');
      }),
    ).toBe(1);
  });

  test('finds by index, never by walking the table', () => {
    const path = newFile();
    open(path);
    const raw = openSqlite(path, { readonly: true });
    const plan = (sql: string): string =>
      raw
        .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => row.detail)
        .join('; ');
    for (const condition of ["key = 'a'", 'stale_until <= 1', "key >= 'a' AND key < 'b'"]) {
      expect(plan(`SELECT rowid FROM cache_entries WHERE ${condition}`)).toMatch(/^SEARCH/);
    }
    raw.close();
  });

  test('options are checked', () => {
    expect(() => new DiskCacheLayer({} as never)).toThrow(/dbPath/);
    expect(() => new DiskCacheLayer({ dbPath: ':memory:', maxDbSize: 10 })).toThrow(RangeError);
    expect(() => open(':memory:').set('a', 1, NaN)).toThrow(TypeError);
  });
});

describe('accidents', () => {
  let warned: jest.SpyInstance;

  beforeEach(() => {
    warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => warned.mockRestore());

  function filled(): string {
    const path = newFile();
    const layer = open(path, { compressionThreshold: Infinity });
    layer.transaction(() => {
      for (let i = 0; i < 500; i++) layer.set(`key:${i}`, 'x'.repeat(3000));
    });
    layer.destroy();
    return path;
  }

  test.each<[string, (path: string) => void]>([
    ['cut in half', (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ['cut by a page', (path) => truncateSync(path, statSync(path).size - 4096)],
    ['cut to its header', (path) => truncateSync(path, 100)],
    [
      'overwritten with something else',
      (path) => writeFileSync(path, 'not a database, but long enough to be one'.repeat(100)),
    ],
    [
      'overwritten in the middle',
      (path) => {
        const bytes = readFileSync(path);
        bytes.fill(0xaa, 4096, bytes.length - 4096);
        writeFileSync(path, bytes);
      },
    ],
  ])('a file %s is set aside, and the cache works on', (_how, damage) => {
    const path = filled();
    damage(path);
    const layer = open(path);
    for (let i = 0; i < 500; i++) layer.get(`key:${i}`); // where opening did not notice
    layer.set('a', 1);
    expect(layer.get('a')).toBe(1);
    expect(existsSync(`${path}.corrupt`)).toBe(true);
    expect(layer.getStats().rebuilds).toBe(1);
    expect(warned).toHaveBeenCalledTimes(1);
    expect(warned.mock.calls[0]).toEqual([
      expect.stringMatching(/is damaged \(.+\); it was set aside as .+\.corrupt and begun anew/),
      { code: 'TOOLOO_CACHE_FILE_DAMAGED' },
    ]);
  });

  test('an empty file is a new one', () => {
    const path = filled();
    truncateSync(path, 0);
    const layer = open(path);
    layer.set('a', 1);
    expect(layer.get('a')).toBe(1);
    expect(warned).not.toHaveBeenCalled();
  });

  test('damage while it is open: the one that notices sets it aside, the other follows', () => {
    const path = filled();
    const first = open(path);
    const second = open(path);
    const bytes = readFileSync(path);
    bytes.fill(0xaa, 4096);
    writeFileSync(path, bytes);
    const other = openSqlite(path); // a write by another, so that both read the file again
    other.pragma('user_version = 3');
    other.close();
    for (const layer of [first, second]) for (let i = 0; i < 500; i++) layer.get(`key:${i}`);
    first.set('a', 1);
    second.set('b', 2);
    expect([first.get('b'), second.get('a')]).toEqual([2, 1]);
    expect(warned).toHaveBeenCalledTimes(1);
  });
});

describe('several processes', () => {
  test('kill -9 in the middle of writing: everything acknowledged is there, whole, and nothing else', async () => {
    const path = newFile();
    const child = start('write', path, 'k');
    const acknowledged = new Set<number>();
    child.on('message', (i: number) => {
      acknowledged.add(i);
      if (acknowledged.size === 5000) child.kill('SIGKILL'); // of the 10 000 and more it would write
    });
    await once(child, 'exit');
    const layer = open(path);
    const text = (i: number): object => ({ i, text: 'x'.repeat(200 + (i % 3000)) });
    for (const i of acknowledged) expect(layer.get(`k:${i}`)).toEqual(text(i));
    const { size } = layer.getStats();
    // Writes that were done when it was killed, their messages lost with it: the next ones in order, and whole.
    for (let i = acknowledged.size; i < size; i++) expect(layer.get(`k:${i}`)).toEqual(text(i));
    expect(layer.getStats().rebuilds).toBe(0);
  });

  test('two on one file lose nothing of each other', async () => {
    const path = newFile();
    const children = [start('increment', path, 'a', '1000'), start('increment', path, 'b', '1000')];
    await Promise.all(children.map((child) => nextMessage(child)));
    const layer = open(path);
    expect(layer.get('counter')).toBe(2000);
    expect(layer.invalidatePattern('a:*')).toHaveLength(1000);
    expect(layer.invalidatePattern('b:*')).toHaveLength(1000);
  });

  test('1000 concurrent misses of one key over three of them: one load', async () => {
    const path = newFile();
    const children = [334, 333, 333].map((amount) => start('load', path, '', String(amount)));
    const next = <T>(): Promise<T[]> => Promise.all(children.map((child) => nextMessage<T>(child)));
    await next();
    const asked = next();
    for (const child of children) child.send('go');
    await asked;
    const results = next<{ loads: number; values: string[] }>();
    for (const child of children) child.send('finish');
    const done = await results;
    expect(done.flatMap((one) => one.values)).toEqual(['value', 'value', 'value']);
    expect(done.reduce((sum, one) => sum + one.loads, 0)).toBe(1);
  });
});
