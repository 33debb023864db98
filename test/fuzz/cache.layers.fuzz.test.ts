/**
 * Several caches over one SQLite file, with faults: a locked file, a killed process, an emptied folder, a clock set forward
 * or back. The oracle: an answer was written or loaded under its key, has not expired, and was not invalidated earlier
 * by the cache that reads it. If one cache invalidates an entry in the file, it is gone for all caches that read the
 * file.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from '../support/fast-check.js';
import { compilePattern } from '../../src/caching/key-pattern.js';
import { MultiLayerCacheManager } from '../../src/caching/multi-layer-cache-manager.js';
import { openSqlite, type SqliteDatabase } from '../../src/shared/sqlite-driver.js';
import { FakeClock } from '../../src/testing.js';
import { fuzz, type Tally } from './harness.js';

const folder = mkdtempSync(join(tmpdir(), 'fuzz-layers-'));
let files = 0;
let warned: jest.SpyInstance;
beforeAll(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
});
afterAll(() => {
  warned.mockRestore();
  rmSync(folder, { recursive: true, force: true });
});

const CACHES = 3;
/** Milliseconds by which the clock may be set back without being noticed. */
const SLACK = 2_000;

interface Lifetime {
  readonly ttl: number;
  readonly grace: number;
  readonly tags: readonly string[];
}

const key = fc.constantFrom('user:1', 'user:2', 'user:1:posts', 'x');
const pattern = fc.constantFrom('user:*', '*1', '*', 'none:*');
const tag = fc.constantFrom('red', 'blue');
const lifetime: fc.Arbitrary<Lifetime> = fc.record({
  ttl: fc.constantFrom(0, 50, 500, 40 * 86_400_000, Infinity),
  grace: fc.constantFrom(0, 0, 300),
  tags: fc.subarray(['red', 'blue']),
});

type Step =
  | { readonly do: 'set' | 'load' | 'loadWhileInvalidated'; readonly key: string; readonly lifetime: Lifetime }
  | { readonly do: 'get' | 'invalidate'; readonly key: string }
  | { readonly do: 'pattern'; readonly pattern: string }
  | { readonly do: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'lock' | 'unlock' | 'kill' | 'empty' | 'setBack' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('set' as const), key, lifetime }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('get' as const), key }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('load' as const, 'loadWhileInvalidated' as const), key, lifetime }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('invalidate' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pattern' as const), pattern }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('tag' as const), tag, soft: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 49, 50, 400) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'empty' as const, 'setBack' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lock' as const, 'unlock' as const, 'unlock' as const) }) },
);

/** One value that was written. Every value is written once, so that an answer says which write it is from. */
interface Written extends Lifetime {
  readonly key: string;
  readonly by: number;
  /** Of the time that never goes back. */
  readonly at: number;
  /** The caches for which it is outdated: the one that changed the key, and all that look at the file, where that worked. */
  readonly outdatedFor: Set<number>;
}

class World {
  readonly clock = new FakeClock();
  readonly path = join(folder, `${files++}`, 'cache.db');
  readonly written: Written[] = [];
  readonly caches: MultiLayerCacheManager[] = [];
  locker: SqliteDatabase | undefined;
  /** Time that really passed, which may differ from the time of the clock. */
  elapsed = 0;

  constructor() {
    for (let i = 0; i < CACHES; i++) this.caches.push(this.open());
  }

  open(): MultiLayerCacheManager {
    return new MultiLayerCacheManager({
      disk: { dbPath: this.path, busyTimeout: 0, cleanupInterval: 86_400_000 },
      clock: this.clock,
    });
  }

  outdate(which: number, matches: (one: Written) => boolean): void {
    for (const one of this.written) if (matches(one)) one.outdatedFor.add(which);
  }

  async take(which: number, one: Step, tally: Tally): Promise<void> {
    const cache = this.caches[which]!;
    switch (one.do) {
      case 'set': {
        this.outdate(which, ({ key: other }) => other === one.key);
        const value = this.note(which, one.key, one.lifetime);
        return cache.set(one.key, value, one.lifetime);
      }
      case 'get':
        return this.judge(which, one.key, await cache.get<number>(one.key), tally);
      case 'load':
      case 'loadWhileInvalidated': {
        let own: number | undefined;
        const answer = await cache.getOrSet(
          one.key,
          async () => {
            own = this.note(which, one.key, one.lifetime);
            if (one.do === 'loadWhileInvalidated') {
              await cache.invalidate(one.key);
              this.outdate(which, ({ key: other }) => other === one.key);
            }
            return own;
          },
          one.lifetime,
        );
        if (answer !== own) this.judge(which, one.key, answer, tally, true);
        return;
      }
      case 'invalidate':
        await cache.invalidate(one.key);
        return this.outdate(which, ({ key: other }) => other === one.key);
      case 'pattern':
        await cache.invalidatePattern(one.pattern);
        return this.outdate(which, ({ key: other }) => compilePattern(one.pattern).matches(other));
      case 'tag':
        await cache.invalidateTag(one.tag, { soft: one.soft });
        return one.soft ? undefined : this.outdate(which, ({ tags }) => tags.includes(one.tag));
      case 'wait':
        await this.clock.advance(one.ms);
        this.elapsed += one.ms;
        return;
      case 'lock':
      case 'unlock':
      case 'kill':
      case 'empty':
      case 'setBack':
        return this.fault(which, one.do);
    }
  }

  fault(which: number, kind: 'lock' | 'unlock' | 'kill' | 'empty' | 'setBack'): void {
    if (kind === 'lock' && this.locker === undefined) {
      const locker = openSqlite(this.path, { timeout: 0 });
      try {
        locker.exec('BEGIN IMMEDIATE');
        this.locker = locker;
      } catch {
        locker.close();
      }
    } else if (kind === 'unlock') this.unlock();
    else if (kind === 'setBack') this.clock.set(this.clock.now() - 10 * SLACK);
    else if (kind === 'kill' && this.locker === undefined) {
      this.caches[which]!.destroy();
      this.caches[which] = this.open();
      // What it had not brought to the file yet is forgotten with it.
      for (const one of this.written) one.outdatedFor.delete(which);
    } else if (kind === 'empty' && this.locker === undefined) {
      for (const file of readdirSync(join(this.path, '..'))) rmSync(join(this.path, '..', file));
    }
  }

  unlock(): void {
    this.locker?.exec('ROLLBACK');
    this.locker?.close();
    this.locker = undefined;
  }

  note(by: number, name: string, life: Lifetime): number {
    return this.written.push({ ...life, key: name, by, at: this.elapsed, outdatedFor: new Set() }) - 1;
  }

  judge(which: number, name: string, answer: number | undefined, tally: Tally, mayBeStale = false): void {
    tally.answers = (tally.answers ?? 0) + 1;
    if (answer === undefined) return;
    tally.hits = (tally.hits ?? 0) + 1;
    const one = this.written[answer];
    if (one === undefined) throw new Error(`${name}: ${answer} was never written`);
    if (one.key !== name) throw new Error(`${name}: ${answer} was written under ${one.key}`);
    if (one.outdatedFor.has(which)) throw new Error(`${name}: ${answer} was outdated by the cache that asks`);
    const age = this.elapsed - one.at;
    const most = one.ttl + (mayBeStale ? one.grace : 0);
    if (age >= most) throw new Error(`${name}: ${answer} lives ${most} ms and is ${age} ms old`);
  }

  close(): void {
    this.unlock();
    for (const cache of this.caches) cache.destroy();
    rmSync(join(this.path, '..'), { recursive: true, force: true });
  }
}

fuzz(
  'cache',
  [
    {
      title: 'caches over one file that is locked, emptied or beside a wrong clock answer nothing outdated',
      arbitrary: fc.array(fc.tuple(fc.nat(CACHES - 1), step), { maxLength: 60 }),
      async check(steps: Array<[number, Step]>, tally: Tally) {
        const world = new World();
        try {
          for (const [which, one] of steps) await world.take(which, one, tally);
        } finally {
          world.close();
        }
      },
    },
  ],
  0.2,
);
