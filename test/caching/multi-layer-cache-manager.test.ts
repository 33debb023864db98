/** The manager: layers in order, loads, invalidations, dependencies. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import type { MultiLayerCacheOptions } from '../../src/caching/manager-options.js';
import { ChaosCacheLayer, FakeClock } from '../../src/testing.js';

const folder = mkdtempSync(join(tmpdir(), 'cache-manager-'));
const opened: Array<{ destroy(): void }> = [];
let files = 0;
let clock: FakeClock;

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
  expect(clock.pendingTimers).toBe(0);
});

afterAll(() => rmSync(folder, { recursive: true }));

const newFile = (): string => join(folder, `${files++}.db`);

function open(options: MultiLayerCacheOptions = {}): MultiLayerCacheManager {
  const cache = new MultiLayerCacheManager({
    memory: { maxSize: 100, ttl: 10_000 },
    disk: { dbPath: newFile(), ttl: 120_000 },
    clock,
    ...options,
  });
  opened.push(cache);
  return cache;
}

/** A promise settled by hand. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('layers', () => {
  test('a value is in all of them, and found in the nearest', async () => {
    const cache = open();
    await cache.set('a', { n: 1 }, 5000);
    expect(await cache.get('a')).toEqual({ n: 1 });
    cache.memory.clear();
    expect(await cache.get('a')).toEqual({ n: 1 });
    expect(await cache.get('a')).toEqual({ n: 1 });
    expect(await cache.get('b')).toBeUndefined();
    expect(cache.getStats()).toMatchObject({
      memoryHits: 2,
      diskHits: 1,
      misses: 1,
      writes: 1,
      promotions: 1,
      overallHitRate: 0.75,
    });
  });

  test('without a lifetime each layer applies its own; a promoted value keeps what remains', async () => {
    const cache = open();
    await cache.set('a', 1);
    await clock.advance(50_000);
    expect(cache.peek('a')).toBeUndefined();
    expect(await cache.get('a')).toBe(1); // from disk, with 70 seconds left
    await clock.advance(69_999);
    expect(cache.peek('a')).toBe(1);
    await clock.advance(1);
    expect(await cache.get('a')).toBeUndefined();
  });

  test('a promoted value keeps its tags and its grace', async () => {
    const cache = open();
    await cache.set('a', 1, { ttl: 1000, grace: 1000, tags: ['t'] });
    cache.memory.clear();
    await cache.get('a');
    expect(cache.memory.read('a')).toEqual({ value: 1, ttl: 1000, grace: 1000, tags: ['t'] });
    await cache.invalidateTag('t');
    expect(cache.peek('a')).toBeUndefined();
  });

  test('a layer left out loses the key, so that it cannot bring an older value back', async () => {
    const cache = open();
    await cache.set('a', 'old');
    await cache.set('a', 'new', 1000, ['memory']);
    await clock.advance(1000);
    expect(await cache.get('a')).toBeUndefined();
    await cache.set('b', 'old');
    await cache.set('b', 'new', 1000, ['disk']);
    expect(cache.peek('b')).toBeUndefined();
    expect(await cache.get('b')).toBe('new');
  });

  test('peek and has look without counting a miss', async () => {
    const cache = open();
    expect(cache.peek('a')).toBeUndefined();
    expect(await cache.has('a')).toBe(false);
    await cache.set('a', 1);
    cache.memory.clear();
    expect(await cache.has('a')).toBe(true);
    expect(cache.getStats().misses).toBe(0);
  });

  test('values are there again after a restart', async () => {
    const disk = { dbPath: newFile() };
    const first = open({ disk });
    await first.set('a', new Map([[1, new Date(0)]]));
    first.destroy();
    expect(await open({ disk }).get('a')).toEqual(new Map([[1, new Date(0)]]));
  });

  test('memory alone is a cache too', async () => {
    const cache = new MultiLayerCacheManager();
    opened.push(cache);
    await cache.set('a', 1);
    expect(await cache.get('a')).toBe(1);
    expect(await cache.invalidate('a')).toBe(true);
    expect(await cache.get('a')).toBeUndefined();
    expect(cache.disk).toBeUndefined();
  });

  test('optimize removes what has expired', async () => {
    const cache = open();
    await cache.set('a', 1, 1000);
    await cache.set('b', 1, 100_000);
    clock.set(clock.now() + 1000);
    expect(await cache.optimize()).toEqual({ removed: 2 });
    expect(cache.getStats().memory.size).toBe(1);
    expect(cache.getStats().disk?.size).toBe(1);
  });

  test('a value that cannot be written to disk is served from memory and reported', async () => {
    const onError = jest.fn();
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const cache = open({ onError });
    await cache.set('a', 'old');
    const value = { f: () => 1 };
    await cache.set('a', value);
    expect(await cache.get('a')).toBe(value);
    expect(onError.mock.calls).toMatchObject([[{ message: expect.stringContaining('cloned') }, 'disk']]);
    expect(cache.getStats().layers.disk?.errors).toBe(1);
    cache.memory.clear();
    expect(await cache.get('a')).toBeUndefined(); // not 'old'
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });

  test('options are checked', () => {
    expect(() => new MultiLayerCacheManager({ memroy: {} } as never)).toThrow("did you mean 'memory'?");
    expect(() => new MultiLayerCacheManager({ disk: {} as never })).toThrow(/dbPath/);
    expect(() => new MultiLayerCacheManager({ redis: {} as never })).toThrow(/cache layer/);
  });

  test('a wrong lifetime is an error of the caller', async () => {
    const cache = open();
    await expect(cache.set('a', 1, -1)).rejects.toThrow(RangeError);
    await expect(cache.set('a', 1, { tll: 1 } as never)).rejects.toThrow("did you mean 'ttl'?");
    await expect(cache.getOrSet('a', () => 1, { timeout: { sfot: 1 } as never })).rejects.toThrow("'soft'");
  });
});

describe('getOrSet', () => {
  test('loads once however many ask, and keeps the value', async () => {
    const cache = open();
    const loader = jest.fn(async () => ({ n: 1 }));
    const answers = await Promise.all(Array.from({ length: 1000 }, () => cache.getOrSet('a', loader, { ttl: 1000 })));
    expect(loader).toHaveBeenCalledTimes(1);
    expect(new Set(answers).size).toBe(1);
    expect(await cache.getOrSet('a', loader)).toEqual({ n: 1 });
    cache.memory.clear();
    expect(await cache.getOrSet('a', loader)).toEqual({ n: 1 });
    expect(loader).toHaveBeenCalledTimes(1);
    await clock.advance(1000);
    await cache.getOrSet('a', loader);
    expect(loader).toHaveBeenCalledTimes(2);
  });

  test('a failure reaches everybody who waited, and is not kept', async () => {
    const cache = open();
    const failing = jest.fn(() => Promise.reject(new Error('down')));
    const answers = await Promise.allSettled([cache.getOrSet('a', failing), cache.getOrSet('a', failing)]);
    expect(answers.map((one) => one.status)).toEqual(['rejected', 'rejected']);
    expect(failing).toHaveBeenCalledTimes(1);
    expect(await cache.getOrSet('a', () => 'up')).toBe('up');
  });

  test('undefined is answered but not kept', async () => {
    const cache = open();
    expect(await cache.getOrSet('a', () => undefined)).toBeUndefined();
    expect(await cache.getOrSet('a', () => 1)).toBe(1);
  });

  test('the loader decides lifetime and tags where only it can know', async () => {
    const cache = open();
    await cache.getOrSet(
      'a',
      ({ keep }) => {
        keep({ ttl: 500, tags: ['t'] });
        return 1;
      },
      { ttl: 9999, grace: 0 },
    );
    expect(cache.memory.read('a')).toEqual({ value: 1, ttl: 500, grace: 0, tags: ['t'] });
  });

  test('an invalidation during the load wins', async () => {
    const cache = open();
    for (const invalidate of [
      () => cache.invalidate('user:1'),
      () => cache.invalidatePattern('user:*'),
      () => cache.invalidatePattern('*'),
      () => cache.invalidateTag('t'),
      () => cache.clear(),
    ]) {
      const origin = deferred<string>();
      const before = cache.getOrSet('user:1', () => origin.promise, { tags: ['t'] });
      await clock.advance(0);
      await invalidate();
      const after = cache.getOrSet('user:1', () => 'new', { tags: ['t'] });
      expect(await after).toBe('new');
      origin.resolve('old');
      expect(await before).toBe('old'); // asked before
      expect(await cache.get('user:1')).toBe('new');
      cache.memory.clear();
      expect(await cache.get('user:1')).toBe('new');
      await cache.clear();
    }
  });

  test('so does a write', async () => {
    const cache = open();
    const origin = deferred<string>();
    const load = cache.getOrSet('a', () => origin.promise);
    await clock.advance(0);
    await cache.set('a', 'written');
    origin.resolve('loaded');
    await load;
    expect(await cache.get('a')).toBe('written');
    expect(cache.disk?.get('a')).toBe('written');
  });

  test('an invalidation that another process makes during the load wins too', async () => {
    const dbPath = newFile();
    const cache = open({ disk: { dbPath } });
    const other = new DiskCacheLayer({ dbPath, clock });
    opened.push(other);
    const origin = deferred<string>();
    const load = cache.getOrSet('a', () => origin.promise);
    await clock.advance(0);
    other.delete('a');
    origin.resolve('old');
    expect(await load).toBe('old');
    expect(await cache.get('a')).toBeUndefined();
  });

  test('a stale value is answered at once within its grace, while a new one is loaded', async () => {
    const cache = open();
    await cache.set('a', 'old', { ttl: 1000, grace: 5000 });
    await clock.advance(1000);
    const origin = deferred<string>();
    const seen: unknown[] = [];
    const load = (): Promise<string> =>
      cache.getOrSet('a', ({ stale }) => (seen.push(stale), origin.promise), { ttl: 1000, grace: 5000 });
    expect(await load()).toBe('old');
    expect(await load()).toBe('old');
    expect(await cache.get('a')).toBeUndefined();
    expect(seen).toEqual(['old']);
    origin.resolve('new');
    await clock.advance(0);
    expect(await load()).toBe('new');
    expect(cache.getStats()).toMatchObject({ loads: 1, staleServed: 1 });
  });

  test('the soft timeout waits for the new value before it answers the stale one', async () => {
    const cache = open();
    await cache.set('a', 'old', { ttl: 1000, grace: 5000 });
    await clock.advance(1000);
    const quick = cache.getOrSet('a', () => 'new', { ttl: 100, grace: 5000, timeout: { soft: 200 } });
    expect(await quick).toBe('new');
    await clock.advance(100);
    const origin = deferred<string>();
    const slow = cache.getOrSet('a', () => origin.promise, { timeout: { soft: 200 } });
    const settled = jest.fn();
    void slow.then(settled);
    await clock.advance(199);
    expect(settled).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(settled).toHaveBeenCalledWith('new');
    origin.resolve('newest');
    await clock.advance(0);
    expect(await cache.get('a')).toBe('newest');
  });

  test('a failing load answers the stale value, and the origin is left alone for a second', async () => {
    const cache = open();
    await cache.set('a', 'old', { ttl: 1000, grace: 60_000 });
    await clock.advance(1000);
    const failing = jest.fn(() => Promise.reject(new Error('down')));
    const ask = (): Promise<unknown> => cache.getOrSet('a', failing, { timeout: { soft: 500 } });
    expect(await ask()).toBe('old');
    expect(await ask()).toBe('old');
    expect(failing).toHaveBeenCalledTimes(1);
    await clock.advance(1001);
    expect(await ask()).toBe('old');
    expect(failing).toHaveBeenCalledTimes(2);
    await clock.advance(60_000);
    await expect(ask()).rejects.toThrow('down');
    expect(cache.getStats().loadFailures).toBe(3);
  });

  test('a soft invalidation makes stale what has grace', async () => {
    const cache = open();
    await cache.set('a', 'old', { ttl: 1000, grace: 5000, tags: ['t'] });
    await cache.invalidateTag('t', { soft: true });
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.getOrSet('a', () => 'new', { ttl: 1000 })).toBe('old');
    await clock.advance(0);
    expect(await cache.get('a')).toBe('new');
  });

  test('no caller waits longer than the hard timeout; the next caller starts a new load', async () => {
    const cache = open();
    const origin = deferred<string>();
    let signal: AbortSignal | undefined;
    const hanging = cache.getOrSet('a', (context) => ((signal = context.signal), origin.promise), { timeout: 300 });
    const failed = expect(hanging).rejects.toMatchObject({ code: 'LOAD_TIMEOUT' });
    await clock.advance(300);
    await failed;
    expect(signal?.aborted).toBe(true);
    // The first still holds the lease on disk, so the second waits for it and then goes on without.
    const second = cache.getOrSet('a', () => 'second');
    await clock.advance(6000);
    expect(await second).toBe('second');
    origin.resolve('late');
    await clock.advance(0);
    expect(await cache.get('a')).toBe('second');
  });

  test('destroying ends loads', async () => {
    const cache = open();
    const origin = deferred<string>();
    const load = cache.getOrSet('a', () => origin.promise);
    const failed = expect(load).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await clock.advance(0);
    cache.destroy();
    cache.destroy();
    await failed;
    origin.resolve('late');
    await clock.advance(0);
    await expect(cache.getOrSet('a', () => 1)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });

  test('processes that share a file load once between them', async () => {
    const disk = { dbPath: newFile() };
    const caches = [open({ disk }), open({ disk }), open({ disk })];
    const origin = deferred<string>();
    const loader = jest.fn(() => origin.promise);
    const asked = caches.flatMap((cache) => Array.from({ length: 100 }, () => cache.getOrSet('a', loader)));
    await clock.advance(200);
    expect(loader).toHaveBeenCalledTimes(1);
    origin.resolve('once');
    await clock.advance(100);
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['once']));
    expect(loader).toHaveBeenCalledTimes(1);
  });

  test('a process that dies while loading is waited for no longer than its lease', async () => {
    const disk = { dbPath: newFile() };
    const cache = open({ disk });
    const dead = new DiskCacheLayer({ dbPath: disk.dbPath, clock });
    opened.push(dead);
    dead.lease('a', 1000);
    const answer = cache.getOrSet('a', () => 'mine');
    await clock.advance(1100);
    expect(await answer).toBe('mine');
    expect(dead.get('a')).toBe('mine');
  });

  test('a claim commits once, unless the key has changed', async () => {
    const cache = open();
    const claim = await cache.claim('a');
    if ('value' in claim) throw new Error('expected a claim');
    expect(await claim.commit(1, { ttl: 1000 })).toBe(true);
    expect(await claim.commit(2)).toBe(false);
    await claim.release();
    expect(await cache.get('a')).toBe(1);
    expect(await cache.claim('a')).toMatchObject({ value: 1 }); // there is nothing to make
    await cache.invalidate('a');
    const late = await cache.claim('a');
    if ('value' in late) throw new Error('expected a claim');
    await cache.invalidate('a');
    expect(await late.commit(3)).toBe(false);
    expect(await cache.get('a')).toBeUndefined();
  });
});

describe('invalidation', () => {
  test('of a key, and whether something was there', async () => {
    const cache = open();
    await cache.set('a', 1);
    cache.memory.clear();
    expect(await cache.invalidate('a')).toBe(true);
    expect(await cache.invalidate('a')).toBe(false);
    expect(await cache.get('a')).toBeUndefined();
  });

  test('a star in a key is a star', async () => {
    const cache = open();
    await cache.set('a*', 1);
    await cache.set('ab', 1);
    expect(await cache.invalidate('a*')).toBe(true);
    expect(await cache.get('ab')).toBe(1);
  });

  test('of a pattern counts each key once, wherever it was', async () => {
    const cache = open();
    for (const key of ['user:1', 'user:2', 'user:3', 'post:1']) await cache.set(key, 1);
    cache.memory.delete('user:1');
    cache.disk?.delete('user:2');
    expect(await cache.invalidatePattern('user:*')).toBe(3);
    expect(await cache.get('post:1')).toBe(1);
  });

  test('takes what depends on it along, through patterns and cycles', async () => {
    const cache = open();
    cache.registerDependency('ratelimit:user:*', 'user:*');
    cache.registerDependency('report', ['ratelimit:user:7', 'budget']);
    cache.registerDependency('user:1', 'report');
    for (const key of ['user:1', 'user:2', 'ratelimit:user:7', 'ratelimit:user:8', 'report', 'other']) {
      await cache.set(key, 1);
    }
    expect((await cache.invalidateWithDependents('user:2')).sort()).toEqual(
      ['ratelimit:user:7', 'ratelimit:user:8', 'report', 'user:1', 'user:2'].sort(),
    );
    expect(await cache.get('other')).toBe(1);
    expect(cache.unregisterDependency('report', 'budget')).toBe(true);
    expect(cache.unregisterDependency('report', 'budget')).toBe(false);
    await cache.set('report', 1);
    await cache.invalidate('budget');
    expect(await cache.get('report')).toBe(1);
  });

  test('calls each listener once per invalidation, and survives listeners that throw', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const cache = open();
    cache.registerDependency('list', 'user:1');
    const users = jest.fn();
    const lists = jest.fn(() => {
      throw new Error('theirs');
    });
    const end = cache.setInvalidationListener('user:*', users);
    cache.setInvalidationListener('list', lists);
    await cache.invalidate('user:1');
    expect(users.mock.calls).toEqual([['user:1']]);
    expect(lists.mock.calls).toEqual([['list']]);
    await cache.invalidatePattern('us*');
    expect(users.mock.calls).toEqual([['user:1'], ['us*']]);
    end();
    end();
    await cache.invalidate('user:1');
    expect(users).toHaveBeenCalledTimes(2);
    expect(lists).toHaveBeenCalledTimes(3); // 'us*' may stand for user:1, on which the list depends
    expect(warned).toHaveBeenCalledTimes(3);
    warned.mockRestore();
  });
});

describe('a layer that fails while a load holds its lease', () => {
  let warned: jest.SpyInstance;
  beforeEach(() => {
    warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => warned.mockRestore());

  /** A cache over a layer whose next `times` calls of one kind fail, before or after they are done. */
  function overFailing(call: string, when: 'before' | 'after', times: number): MultiLayerCacheManager {
    let left = times;
    const layer = new ChaosCacheLayer(
      new DiskCacheLayer({ dbPath: newFile(), clock }),
      (made) => (made === call && left-- > 0 ? when : undefined),
      'redis',
    );
    const cache = new MultiLayerCacheManager({ redis: layer, clock });
    opened.push(cache);
    return cache;
  }

  // The clock stands still, so a caller that waited for a lease without a holder would wait forever.
  test.each([
    ['lease', 'after'],
    ['write', 'before'],
    ['release', 'before'],
  ] as const)('a %s that fails %s it is done leaves no caller waiting for it', async (call, when) => {
    const cache = overFailing(call, when, 1);
    const failing = (): never => {
      throw new Error('the origin failed');
    };
    if (call === 'release') await expect(cache.getOrSet('a', failing)).rejects.toThrow('the origin failed');
    else expect(await cache.getOrSet('a', () => 1, { ttl: 0 })).toBe(1);
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });
});
