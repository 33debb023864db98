/** Compares the manager with a Map as its model: no sequence of operations makes it return an outdated value. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from '../support/fast-check.js';
import { DiskCacheLayer } from '../../src/caching/disk-cache-layer.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { compilePattern } from '../../src/caching/key-pattern.js';
import { ChaosCacheLayer, FakeClock, type Failure } from '../../src/testing.js';

const folder = mkdtempSync(join(tmpdir(), 'manager-model-'));
let files = 0;

let warned: jest.SpyInstance;
beforeAll(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
});
afterAll(() => {
  warned.mockRestore();
  rmSync(folder, { recursive: true });
});

interface Held {
  readonly value: number;
  readonly expiresAt: number;
  readonly staleUntil: number;
  readonly grace: number;
  readonly tags: readonly string[];
}

/** What the cache should hold. */
class Model {
  readonly held = new Map<string, Held>();
  now = 0;

  fresh(key: string): number | undefined {
    const held = this.held.get(key);
    return held !== undefined && held.expiresAt > this.now ? held.value : undefined;
  }

  stale(key: string): number | undefined {
    const held = this.held.get(key);
    return held !== undefined && held.staleUntil > this.now ? held.value : undefined;
  }

  set(key: string, value: number, { ttl, grace, tags }: Lifetime): void {
    if (ttl + grace === 0) this.held.delete(key);
    else this.held.set(key, { value, expiresAt: this.now + ttl, staleUntil: this.now + ttl + grace, grace, tags });
  }

  removeMatching(pattern: string): void {
    const { matches } = compilePattern(pattern);
    for (const key of this.held.keys()) if (matches(key)) this.held.delete(key);
  }

  removeTag(tag: string, soft: boolean): void {
    for (const [key, held] of this.held) {
      if (!held.tags.includes(tag)) continue;
      if (!soft || held.grace === 0) this.held.delete(key);
      else this.held.set(key, { ...held, expiresAt: Math.min(held.expiresAt, this.now) });
    }
  }
}

interface Lifetime {
  readonly ttl: number;
  readonly grace: number;
  readonly tags: readonly string[];
}

const key = fc.constantFrom('user:1', 'user:2', 'user:1:posts', 'post:1', 'x');
const pattern = fc.constantFrom('user:*', 'user:1*', '*1', '*', 'post:1', 'none:*');
const tag = fc.constantFrom('red', 'blue');
const lifetime: fc.Arbitrary<Lifetime> = fc.record({
  ttl: fc.constantFrom(0, 50, 100, 500, Infinity),
  grace: fc.constantFrom(0, 0, 100, 300),
  tags: fc.subarray(['red', 'blue']),
});

type Step =
  | {
      readonly do: 'set' | 'load' | 'loadWhileInvalidated' | 'loadWhileTagged';
      readonly key: string;
      readonly lifetime: Lifetime;
    }
  | { readonly do: 'get' | 'invalidate'; readonly key: string }
  | { readonly do: 'pattern'; readonly pattern: string }
  | { readonly do: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'forgetMemory' | 'restart' | 'optimize' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), key, lifetime }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('get' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('load' as const, 'loadWhileInvalidated' as const, 'loadWhileTagged' as const),
      key,
      lifetime,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('invalidate' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pattern' as const), pattern }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tag' as const), tag, soft: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 49, 50, 100, 400) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('forgetMemory' as const, 'restart' as const, 'optimize' as const) }),
  },
);

/** Runs steps on manager and model side by side. */
class Run {
  readonly model = new Model();
  readonly clock = new FakeClock();
  cache: MultiLayerCacheManager;
  #values = 0;
  readonly #reopen: (clock: FakeClock) => MultiLayerCacheManager;

  constructor(reopen: (clock: FakeClock) => MultiLayerCacheManager) {
    this.#reopen = reopen;
    this.cache = reopen(this.clock);
  }

  /** What the step found, where it looked: the answer, and the model's. */
  async take(one: Step): Promise<{ answer: unknown; fresh: unknown; stale: unknown } | undefined> {
    const { cache, model } = this;
    switch (one.do) {
      case 'set': {
        const value = ++this.#values;
        await cache.set(one.key, value, one.lifetime);
        model.set(one.key, value, one.lifetime);
        return undefined;
      }
      case 'get': {
        const [fresh, stale] = [model.fresh(one.key), model.stale(one.key)];
        return { answer: await cache.get(one.key), fresh, stale };
      }
      case 'load':
      case 'loadWhileInvalidated':
      case 'loadWhileTagged':
        return this.#load(one);
      case 'invalidate':
        await cache.invalidate(one.key);
        model.held.delete(one.key);
        return undefined;
      case 'pattern':
        await cache.invalidatePattern(one.pattern);
        model.removeMatching(one.pattern);
        return undefined;
      case 'tag':
        await cache.invalidateTag(one.tag, { soft: one.soft });
        model.removeTag(one.tag, one.soft);
        return undefined;
      case 'wait':
        await this.clock.advance(one.ms);
        model.now += one.ms;
        return undefined;
      case 'forgetMemory':
        cache.memory.clear();
        return undefined;
      case 'restart':
        cache.destroy();
        this.cache = this.#reopen(this.clock);
        return undefined;
      case 'optimize':
        await cache.optimize();
        return undefined;
    }
  }

  async #load(
    one: Extract<Step, { key: string; lifetime: Lifetime }>,
  ): Promise<{ answer: unknown; fresh: unknown; stale: unknown }> {
    const { cache, model } = this;
    const fresh = model.fresh(one.key);
    const stale = model.stale(one.key);
    const value = ++this.#values;
    let isLoaded = false;
    const answer = await cache.getOrSet(
      one.key,
      async () => {
        isLoaded = true;
        if (one.do === 'loadWhileInvalidated') await cache.invalidate(one.key);
        if (one.do === 'loadWhileTagged') await cache.invalidateTag('red');
        return value;
      },
      { ...one.lifetime, timeout: { soft: 1000 } },
    );
    if (isLoaded) {
      if (one.do === 'loadWhileInvalidated') model.held.delete(one.key);
      if (one.do === 'loadWhileTagged') model.removeTag('red', false);
      const isOutdated =
        one.do === 'loadWhileInvalidated' || (one.do === 'loadWhileTagged' && one.lifetime.tags.includes('red'));
      if (!isOutdated) model.set(one.key, value, one.lifetime);
      expect(answer).toBe(value);
    }
    return { answer, fresh: isLoaded ? value : fresh, stale };
  }
}

test('memory over disk is the model, exactly', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const dbPath = join(folder, `${files++}.db`);
      const run = new Run((clock) => new MultiLayerCacheManager({ disk: { dbPath }, clock }));
      try {
        for (const one of steps) {
          const found = await run.take(one);
          if (found !== undefined) expect(found.answer).toBe(found.fresh);
        }
      } finally {
        run.cache.destroy();
      }
    }),
    { numRuns: 60 },
  );
});

test('over a layer that fails at any call, before or after, it never answers an outdated value', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.infiniteStream(fc.constantFrom<Failure[]>(undefined, undefined, undefined, 'before', 'after')),
      async (steps, failures) => {
        const dbPath = join(folder, `${files++}.db`);
        const inner = (clock: FakeClock): DiskCacheLayer => new DiskCacheLayer({ dbPath, clock });
        const run = new Run((clock) => {
          const redis = new ChaosCacheLayer(inner(clock), () => failures.next().value as Failure, 'redis');
          return new MultiLayerCacheManager({ redis, clock });
        });
        try {
          // A restart forgets what the layer had missed: such steps are left to the other property.
          for (const one of steps.filter((other) => other.do !== 'restart')) {
            const found = await run.take(one);
            // A value that a failing layer lost is a miss.
            if (found !== undefined && found.answer !== undefined) expect(found.answer).toBe(found.fresh);
            if (found !== undefined && found.answer === undefined && one.do !== 'get')
              throw new Error('a load was lost');
          }
        } finally {
          run.cache.destroy();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('two managers on one file agree on what is on disk after any sequence of operations', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), step), { maxLength: 40 }), async (steps) => {
      const dbPath = join(folder, `${files++}.db`);
      const clock = new FakeClock();
      const model = new Model();
      const caches = [1, 2].map(() => new MultiLayerCacheManager({ disk: { dbPath }, clock }));
      let value = 0;
      try {
        for (const [which, one] of steps) {
          const cache = caches[Number(which)]!;
          for (const each of caches) each.memory.clear(); // each process' memory is its own; the file is common
          if (one.do === 'set') {
            await cache.set(one.key, ++value, one.lifetime);
            model.set(one.key, value, one.lifetime);
          } else if (one.do === 'invalidate') {
            await cache.invalidate(one.key);
            model.held.delete(one.key);
          } else if (one.do === 'pattern') {
            await cache.invalidatePattern(one.pattern);
            model.removeMatching(one.pattern);
          } else if (one.do === 'tag') {
            await cache.invalidateTag(one.tag, { soft: one.soft });
            model.removeTag(one.tag, one.soft);
          } else if (one.do === 'wait') {
            await clock.advance(one.ms);
            model.now += one.ms;
          } else if (one.do === 'get') {
            expect(await cache.get(one.key)).toBe(model.fresh(one.key));
          }
        }
      } finally {
        for (const cache of caches) cache.destroy();
      }
    }),
    { numRuns: 40 },
  );
});
