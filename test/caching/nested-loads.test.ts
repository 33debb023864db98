/**
 * Loads inside loads. A call from within a load must not wait for that load, also if another manager
 * makes it. Callers from
 * elsewhere still share the load.
 */
import { AsyncResource } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { CacheLayer } from '../../src/caching/cache-layer.js';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { currentScope, liveScopes } from '../../src/caching/load-scope.js';
import { KeyvCacheLayer } from '../../src/caching/keyv-cache-layer.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { RedisCacheLayer } from '../../src/redis.js';
import { FakeClock } from '../../src/testing.js';
import { PATIENT } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { describeWith, redisService } from '../support/services.js';

const MANAGERS = 3;
const folder = mkdtempSync(join(tmpdir(), 'nested-loads-'));
/** Everything called through it is a caller from elsewhere. */
const elsewhere = new AsyncResource('elsewhere');
let worlds = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));
// Every scope ends, or the context would cost each promise of the process for ever.
afterEach(() => expect(liveScopes()).toBe(0));

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A load, and the work of its loader. */
interface Level {
  readonly manager: number;
  readonly key: string;
  /** Callers from elsewhere that ask for the key before the next level does, by manager. */
  readonly callers: readonly number[];
  /** Whether the call goes through `getManySet`. */
  readonly isBatch: boolean;
}

const level: fc.Arbitrary<Level> = fc.record({
  manager: fc.nat({ max: MANAGERS - 1 }),
  key: fc.constantFrom('a', 'a', 'a', 'b'),
  callers: fc.array(fc.nat({ max: MANAGERS - 1 }), { maxLength: 2 }),
  isBatch: fc.boolean(),
});

interface Store {
  /** The shared layer of the next manager. */
  readonly layer: () => CacheLayer;
  /** Settles once the store has answered everything that it was asked. */
  readonly settle: () => Promise<unknown>;
}

class World {
  readonly clock = new FakeClock();
  readonly managers: MultiLayerCacheManager[];
  readonly callers: Array<Promise<unknown>> = [];
  loadsElsewhere = 0;

  readonly #settle: Store['settle'];

  constructor(open: (clock: FakeClock) => Store) {
    const { layer, settle } = open(this.clock);
    this.#settle = settle;
    this.managers = Array.from(
      { length: MANAGERS },
      () => new MultiLayerCacheManager({ redis: layer(), clock: this.clock }),
    );
  }

  /** Loads the first level, whose loader loads the second, and so on. */
  async nest([first, ...rest]: readonly Level[]): Promise<unknown> {
    if (first === undefined) return 'innermost';
    const { manager, key, callers, isBatch } = first;
    const cache = this.managers[manager]!;
    const loader = async (): Promise<unknown> => {
      for (const caller of callers) this.#askElsewhere(caller, key);
      for (let i = 0; i < 6; i++) await this.#settle(); // so that they wait for the load
      return this.nest(rest);
    };
    if (!isBatch) return cache.getOrSet(key, loader);
    const found = await cache.getManySet([key, `${key}:beside`], async (keys) => {
      const value = await loader();
      return keys.map(() => value);
    });
    return found.get(key);
  }

  #askElsewhere(manager: number, key: string): void {
    const load = (): string => {
      this.loadsElsewhere++;
      return 'elsewhere';
    };
    elsewhere.runInAsyncScope(() => this.callers.push(this.managers[manager]!.getOrSet(key, load)));
  }

  /** Lets the callers from elsewhere look again, until all have their answer. */
  async answers(): Promise<unknown[]> {
    let areAnswered = false;
    const answers = Promise.all(this.callers).finally(() => {
      areAnswered = true;
    });
    while (!areAnswered) {
      await this.clock.advance(1);
      await turn();
    }
    return answers;
  }

  close(): void {
    for (const cache of this.managers) cache.destroy();
  }
}

/** The clock stands still during the nested loads: if one of them waits for a lease, it waits for ever. */
function proceedsAtOnce(open: (clock: FakeClock) => Store, runs: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(fc.array(level, { minLength: 1, maxLength: 6 }), async (levels) => {
      const world = new World(open);
      try {
        expect(await world.nest(levels)).toBe('innermost');
        expect(new Set(await world.answers())).toEqual(new Set(world.callers.length === 0 ? [] : ['innermost']));
        expect(world.loadsElsewhere).toBe(0);
      } finally {
        world.close();
      }
    }),
    { numRuns: runs },
  );
}

test('one file, a layer per manager', () =>
  proceedsAtOnce((clock) => {
    const dbPath = join(folder, `${worlds++}.db`);
    return { layer: () => new DiskCacheLayer({ dbPath, clock, busyTimeout: 5000 }), settle: turn };
  }, 60));

test('one file, one layer for all managers', () =>
  proceedsAtOnce((clock) => {
    const layer = new DiskCacheLayer({ dbPath: join(folder, `${worlds++}.db`), clock, busyTimeout: 5000 });
    return { layer: () => layer, settle: turn };
  }, 60));

test('one Keyv layer for all managers', () =>
  proceedsAtOnce((clock) => {
    const layer = new KeyvCacheLayer({ store: new Map<string, string>(), clock });
    return { layer: () => layer, settle: turn };
  }, 60));

describeWith(redisService, 'one Redis', (url) => {
  let client: Redis;
  const prefix = `nested-loads-${process.pid}-`;
  beforeAll(async () => {
    client = new Redis(url);
    await client.ping();
  });
  afterAll(async () => {
    const keys = await client.keys(`${prefix}*`);
    if (keys.length > 0) await client.del(keys);
    await client.quit();
  });

  test('a layer per manager', () =>
    proceedsAtOnce(() => {
      const own = `${prefix}${worlds++}:`;
      const layer = (): CacheLayer => new RedisCacheLayer({ client, prefix: own, timeout: PATIENT });
      return { layer, settle: () => client.ping().then(turn) };
    }, 30));
});

describe('in one manager', () => {
  let cache: MultiLayerCacheManager;
  beforeEach(() => {
    cache = new MultiLayerCacheManager();
  });
  afterEach(() => cache.destroy());

  test('the outer load stores its value, not that of the load inside', async () => {
    const outer = await cache.getOrSet('a', async () => {
      const inner = await cache.getOrSet('a', () => 'inner');
      return `outer of ${inner}`;
    });
    expect([outer, await cache.get('a')]).toEqual(['outer of inner', 'outer of inner']);
  });

  test('loaders that ask for each other without end fail with LOAD_CYCLE', async () => {
    let calls = 0;
    const a = (): Promise<unknown> => cache.getOrSet('a', () => (calls++, b()));
    const b = (): Promise<unknown> => cache.getOrSet('b', () => (calls++, a()));
    await expect(a()).rejects.toMatchObject({ code: 'LOAD_CYCLE', status: 500 });
    expect(calls).toBeLessThan(30);
  });

  test('two loads that wait for each other do not wait', async () => {
    const a = cache.getOrSet('a', async () => {
      await turn();
      return cache.getOrSet('b', () => 'b inside a');
    });
    const b = cache.getOrSet('b', async () => {
      await turn();
      return cache.getOrSet('a', () => 'a inside b');
    });
    expect(await Promise.all([a, b])).toEqual(['a inside b', 'a inside b']);
  });

  test('a reload in the background that asks for its own key gets the stale value', async () => {
    await cache.set('a', 'old', { ttl: 0, grace: 60_000 });
    let loads = 0;
    let seen: unknown;
    const ended = new Promise<void>((resolve) => {
      const loader = async (): Promise<string> => {
        loads++;
        seen = await cache.getOrSet('a', loader);
        resolve();
        return 'new';
      };
      void cache.getOrSet('a', loader);
    });
    await ended;
    expect([loads, seen]).toEqual([1, 'old']);
  });

  test('work that a loader leaves behind starts loads of its own, and remembers no ended ones', async () => {
    const scopes: unknown[] = [];
    let again!: () => Promise<unknown>;
    const loader = (i: number) => (): number => {
      again = AsyncResource.bind(() => cache.getOrSet(`key:${i}`, loader(i + 1)));
      scopes.push(currentScope()!.outer);
      return i;
    };
    await cache.getOrSet('key', loader(0));
    for (let i = 0; i < 3; i++) {
      await turn(); // so that the load before has ended
      expect(await again()).toBe(i + 1);
    }
    expect(scopes).toEqual([[], [], [], []]);
  });

  test('destroying the manager ends a load inside a load', async () => {
    let signal: AbortSignal | undefined;
    const outer = cache.getOrSet('a', () =>
      cache.getOrSet('a', (context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      }),
    );
    outer.catch(() => undefined);
    while (signal === undefined) await turn();
    cache.destroy();
    await expect(outer).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(signal.aborted).toBe(true);
  });
});

test('a claim made by hand: other managers wait for it, but not within its work', async () => {
  const dbPath = join(folder, `${worlds++}.db`);
  const clock = new FakeClock();
  const [a, b] = [0, 1].map(() => new MultiLayerCacheManager({ disk: { dbPath }, clock })) as [
    MultiLayerCacheManager,
    MultiLayerCacheManager,
  ];
  const claim = await a.claim('k');
  if ('value' in claim) throw new Error('the key has no value');
  expect(await claim.run(() => b.getOrSet('k', () => 'inside'))).toBe('inside');
  await claim.release();
  await b.invalidate('k');
  const second = await a.claim('k');
  if ('value' in second) throw new Error('the key has no value');
  const waiting = b.getOrSet('k', () => 'not shared');
  for (let i = 0; i < 5; i++) await turn();
  expect(await second.commit('shared', { ttl: 60_000 })).toBe(true);
  await clock.advance(50);
  expect(await waiting).toBe('shared');
  expect(second.run(() => currentScope())).toBeUndefined();
  a.destroy();
  b.destroy();
});
