/** The requirements on every cache layer, as cases that users can run on their own layers. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { Awaitable, CacheEntry, CacheLayer, Lease, LeaseHolder } from '../caching/cache-layer.js';
import type { ConformanceCase } from './conformance-case.js';

/** The layer under test, and its time. */
export interface CacheLayerFixture {
  /** Empty, with a default lifetime of a minute. */
  readonly layer: CacheLayer;
  /** Lets time pass for the layer. */
  readonly advance: (ms: number) => Awaitable<void>;
  /** Runs after the case, even if it failed. */
  readonly close: () => Awaitable<void>;
}

const MINUTE = 60_000;

const entry = (value: unknown, rest: Partial<CacheEntry> = {}): CacheEntry => ({
  value,
  ttl: MINUTE,
  grace: 0,
  tags: [],
  ...rest,
});

type Check = (layer: CacheLayer, fixture: CacheLayerFixture) => Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  'returns a value that was set, and undefined for a missing one': async (layer) => {
    await layer.set('a', { n: 1 });
    deepStrictEqual(await layer.get('a'), { n: 1 });
    strictEqual(await layer.get('b'), undefined);
    strictEqual(await layer.has('a'), true);
    strictEqual(await layer.has('b'), false);
  },
  'stores null, false, 0 and the empty string as values': async (layer) => {
    for (const value of [null, false, 0, '']) {
      await layer.set('a', value);
      strictEqual(await layer.get('a'), value);
      strictEqual(await layer.has('a'), true);
    }
  },
  replaces: async (layer) => {
    await layer.set('a', 1);
    await layer.set('a', 'two', 10_000);
    strictEqual(await layer.get('a'), 'two');
  },
  'treats undefined and a lifetime of 0 as a deletion': async (layer) => {
    await layer.set('a', 1);
    await layer.set('a', undefined);
    await layer.set('b', 1);
    await layer.set('b', 2, 0);
    deepStrictEqual([await layer.get('a'), await layer.get('b')], [undefined, undefined]);
  },
  'removes an entry at the end of its lifetime, not before': async (layer, { advance }) => {
    await layer.set('a', 1, 20_000);
    await layer.set('default', 1);
    await layer.set('forever', 1, Infinity);
    await advance(10_000);
    strictEqual(await layer.get('a'), 1);
    await advance(10_000);
    strictEqual(await layer.get('a'), undefined);
    strictEqual(await layer.has('a'), false);
    strictEqual(await layer.get('default'), 1);
    await advance(MINUTE);
    strictEqual(await layer.get('default'), undefined);
    await advance(1000 * MINUTE);
    strictEqual(await layer.get('forever'), 1);
  },
  'deletes, and reports whether there was an entry': async (layer) => {
    await layer.set('a', 1);
    strictEqual(await layer.delete('a'), true);
    strictEqual(await layer.delete('a'), false);
    strictEqual(await layer.get('a'), undefined);
  },
  clears: async (layer) => {
    await layer.set('a', 1);
    await layer.set('b', 1);
    await layer.clear();
    deepStrictEqual([await layer.get('a'), await layer.get('b')], [undefined, undefined]);
  },
  'counts hits and misses': async (layer) => {
    await layer.set('a', 1);
    await layer.get('a');
    await layer.get('a');
    await layer.get('b');
    const { hits, misses, hitRate } = layer.getStats();
    deepStrictEqual({ hits, misses, hitRate }, { hits: 2, misses: 1, hitRate: 2 / 3 });
  },
  'accepts any text as a key': async (layer) => {
    const keys = [
      '',
      ' ',
      'user:*',
      '__proto__',
      'constructor',
      'ключ',
      '🔑',
      'a\nb',
      '%',
      '_',
      '[a]',
      'x'.repeat(2000),
    ];
    for (const key of keys) await layer.set(key, key);
    for (const key of keys) strictEqual(await layer.get(key), key);
  },
  'returns an entry with its remaining lifetime': async (layer, { advance }) => {
    ok(await layer.write('a', entry(1, { ttl: 100_000, grace: 50_000, tags: ['t'] })));
    await advance(40_000);
    const fresh = await layer.read('a');
    deepStrictEqual({ ...fresh, ttl: round(fresh?.ttl) }, { value: 1, ttl: 60_000, grace: 50_000, tags: ['t'] });
    await advance(80_000);
    const stale = await layer.read('a');
    deepStrictEqual({ ...stale, grace: round(stale?.grace) }, { value: 1, ttl: 0, grace: 30_000, tags: ['t'] });
    strictEqual(await layer.get('a'), undefined);
    strictEqual(await layer.has('a'), false);
    await advance(30_000);
    strictEqual(await layer.read('a'), undefined);
  },
  'removes the keys that match a pattern, and no others': async (layer) => {
    const keys = [
      'user:1',
      'user:2',
      'user:1:posts',
      'user',
      'users:1',
      'post:user:1',
      'user;',
      'user:',
      'user:[x]',
      'user:?',
    ];
    for (const key of keys) await layer.set(key, 1);
    strictEqual((await layer.invalidatePattern('user:*')).length, 6);
    deepStrictEqual(await present(layer, keys), ['user', 'users:1', 'post:user:1', 'user;']);
    strictEqual((await layer.invalidatePattern('*user*1')).length, 2);
    strictEqual((await layer.invalidatePattern('user')).length, 1);
    strictEqual((await layer.invalidatePattern('nothing:*')).length, 0);
    strictEqual((await layer.invalidatePattern('*')).length, 1);
  },
  'matches the special characters of other pattern languages literally': async (layer) => {
    const keys = ['a?c', 'abc', 'a[b]c', 'a%c', 'a_c', 'a\\c', 'a.c'];
    for (const pattern of ['a?c*', 'a[b]c*', 'a%c*', 'a_c*', 'a\\c*', 'a.c*']) {
      for (const key of keys) await layer.set(key, 1);
      strictEqual((await layer.invalidatePattern(pattern)).length, 1);
      strictEqual(await layer.get(pattern.slice(0, -1)), undefined);
    }
  },
  'invalidates by tag only the entries written before': async (layer) => {
    await layer.write('a', entry(1, { tags: ['x', 'y'] }));
    await layer.write('b', entry(1, { tags: ['y'] }));
    await layer.write('c', entry(1));
    await layer.invalidateTag('x');
    deepStrictEqual(await present(layer, ['a', 'b', 'c']), ['b', 'c']);
    strictEqual(await layer.read('a'), undefined);
    await layer.write('a', entry(2, { tags: ['x', 'y'] }));
    strictEqual(await layer.get('a'), 2);
    await layer.invalidateTag('y');
    deepStrictEqual(await present(layer, ['a', 'b', 'c']), ['c']);
  },
  'a soft invalidation keeps entries with grace as stale': async (layer) => {
    await layer.write('graceful', entry(1, { grace: 500, tags: ['x'] }));
    await layer.write('graceless', entry(1, { tags: ['x'] }));
    await layer.invalidateTag('x', { soft: true });
    deepStrictEqual(await present(layer, ['graceful', 'graceless']), []);
    deepStrictEqual(await layer.read('graceful'), entry(1, { ttl: 0, grace: 500, tags: ['x'] }));
    strictEqual(await layer.read('graceless'), undefined);
    await layer.invalidateTag('x');
    strictEqual(await layer.read('graceful'), undefined);
  },
  'a lease writes once, while it is valid': async (layer) => {
    const lease = await leaseOf(layer, 'a');
    strictEqual(await layer.write('a', entry(1), lease), true);
    strictEqual(await layer.get('a'), 1);
    strictEqual(await layer.write('a', entry(2), lease), false);
    strictEqual(await layer.get('a'), 1);
  },
  'every change of the key revokes its lease': async (layer) => {
    const changes: ReadonlyArray<() => Awaitable<unknown>> = [
      () => layer.delete('k:1'),
      () => layer.set('k:1', 'newer'),
      () => layer.write('k:1', entry('newer')),
      () => layer.invalidatePattern('k:*'),
      () => layer.invalidatePattern('*1'),
      () => layer.clear(),
    ];
    for (const [i, change] of changes.entries()) {
      const lease = await leaseOf(layer, 'k:1');
      await change();
      strictEqual(await layer.write('k:1', entry('loaded'), lease), false, `change ${i}`);
      ok((await layer.get('k:1')) !== 'loaded', `change ${i}`);
    }
  },
  'a change of another key does not revoke the lease': async (layer) => {
    const lease = await leaseOf(layer, 'k:1');
    await layer.delete('k:2');
    await layer.set('k:3', 1);
    await layer.invalidatePattern('l:*');
    strictEqual(await layer.write('k:1', entry('loaded'), lease), true);
  },
  'a tag invalidated during a lease covers the entry written with it': async (layer) => {
    const lease = await leaseOf(layer, 'a');
    await layer.invalidateTag('x');
    await layer.write('a', entry(1, { tags: ['x'] }), lease);
    strictEqual(await layer.get('a'), undefined);
  },
  'a released lease is free for the next caller': async (layer) => {
    const first = await leaseOf(layer, 'a');
    await layer.release(first);
    strictEqual(await layer.write('a', entry(1), first), false);
    const second = await leaseOf(layer, 'a');
    await layer.release(first); // no longer the holder: does nothing
    strictEqual(await layer.write('a', entry(2), second), true);
  },
  'a shared layer grants one lease per key, until it expires': async (layer, { advance }) => {
    if (!layer.isShared) return;
    const first = await leaseOf(layer, 'a');
    const refused = await layer.lease('a', MINUTE);
    ok(typeof refused === 'string' ? ['taken', 'own'].includes(refused) : 'holder' in refused);
    if (typeof refused === 'object') strictEqual((refused as LeaseHolder).holder, first.token);
    await leaseOf(layer, 'b');
    await advance(MINUTE);
    const second = await leaseOf(layer, 'a');
    strictEqual(await layer.write('a', entry('late'), first), false);
    strictEqual(await layer.write('a', entry('in time'), second), true);
    strictEqual(await layer.get('a'), 'in time');
  },
  'can be destroyed more than once': async (layer) => {
    await layer.destroy();
    await layer.destroy();
  },
};

async function leaseOf(layer: CacheLayer, key: string): Promise<Lease> {
  const answer = await layer.lease(key, MINUTE);
  if (typeof answer === 'string' || 'holder' in answer)
    throw new Error(`no lease of ${key}: ${JSON.stringify(answer)}`);
  return answer;
}

async function present(layer: CacheLayer, keys: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const key of keys) if (await layer.has(key)) found.push(key);
  return found;
}

/** Within ten seconds, because some real time has passed for a layer with a real clock. */
function round(ms = -1): number {
  return Math.round(ms / 10_000) * 10_000;
}

/**
 * The suite. Cases are independent of each other.
 *
 * @example
 * import { test } from 'node:test';
 * import { MemoryCacheLayer } from '@tooloo/resilience';
 * import { cacheLayerCases, FakeClock } from '@tooloo/resilience/testing';
 *
 * for (const { name, run } of cacheLayerCases) {
 *   const clock = new FakeClock();
 *   const create = () => ({
 *     layer: new MemoryCacheLayer({ clock, defaultTTL: 60_000 }), // your layer
 *     advance: (ms: number) => clock.advance(ms),
 *     close: () => undefined,
 *   });
 *   test(name, () => run(create));
 * }
 */
export const cacheLayerCases: ReadonlyArray<ConformanceCase<CacheLayerFixture>> = Object.entries(CHECKS).map(
  ([name, check]) => ({
    name,
    run: async (create) => {
      const fixture = await create();
      try {
        await check(fixture.layer, fixture);
      } finally {
        await fixture.close();
      }
    },
  }),
);
