/** Windows count as they are defined, and all stores decide alike on any sequence of requests at any time. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { PATIENT } from '../support/eventually.js';
import fc from '../support/fast-check.js';
import { PostgresStore } from '../../src/postgres.js';
import {
  charge,
  MemoryStore,
  resolveQuota,
  type Algorithm,
  type Charge,
  type Limit,
  type Quota,
  type RateLimitStore,
} from '../../src/rate-limiting/index.js';
import { RedisStore } from '../../src/redis.js';
import { FakeClock } from '../../src/testing.js';
import { describeWith, postgresService, redisService } from '../support/services.js';
import { fuzz, type Tally } from './harness.js';

const count = (tally: Tally, what: string, more = 1): void => void (tally[what] = (tally[what] ?? 0) + more);

// --- windows against their definition --------------------------------------------------------------------------------

interface WindowScript {
  readonly algorithm: 'fixed-window' | 'sliding-window';
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
  readonly steps: ReadonlyArray<{ readonly wait: number; readonly cost: number }>;
}

const windowScripts: fc.Arbitrary<WindowScript> = fc.record({
  algorithm: fc.constantFrom('fixed-window' as const, 'sliding-window' as const),
  limit: fc.integer({ min: 1, max: 12 }),
  window: fc.constantFrom(50, 1_000, 7_000, 60_000),
  steps: fc.array(
    fc.record({
      // Hundredths of a window: most steps stay within one, some skip several.
      wait: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 320 })),
      cost: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 20, maxLength: 200 },
  ),
});

/** The definition, in exact fractions: the tokens that count at a moment, times the window's length. */
class ExactWindow {
  readonly #length: bigint;
  readonly #slides: boolean;
  #index = 0n;
  #counted = 0n;
  #previous = 0n;

  constructor(length: bigint, slides: boolean) {
    this.#length = length;
    this.#slides = slides;
  }

  owed(now: bigint): bigint {
    const begun = now / this.#length - this.#index;
    if (begun > 0n) {
      this.#previous = begun === 1n ? this.#counted : 0n;
      this.#counted = 0n;
      this.#index += begun;
    }
    const rest = this.#length - (now % this.#length);
    return this.#counted * this.#length + (this.#slides ? this.#previous * rest : 0n);
  }

  add(cost: bigint): void {
    this.#counted += cost;
  }
}

function windowsCount({ algorithm, limit, window, steps }: WindowScript, tally: Tally): void {
  const clock = new FakeClock(0);
  const store = new MemoryStore({ clock });
  const quota = resolveQuota('w', { rateLimit: limit, refillRate: limit / (window / 1_000), algorithm });
  const length = BigInt(quota.window);
  const exact = new ExactWindow(length, algorithm === 'sliding-window');
  const unit = BigInt(quota.unitsPerToken);
  const admitted: { readonly at: number; readonly cost: number }[] = [];
  for (const { wait, cost } of steps) {
    clock.tick((wait * window) / 100);
    const now = BigInt(Math.round(clock.now() * 1_000));
    const one = charge('a', quota, cost);
    const allowed = store.take([one]);
    const owed = exact.owed(now);
    const room = (BigInt(limit - cost) * length - owed) * unit;
    // The store rounds what is carried over to a whole unit.
    const isClear = room >= 2n * length || room < -length;
    if (cost === 0) expect(allowed).toBe(true);
    else if (isClear) expect({ allowed, now, owed }).toEqual({ allowed: room >= 0n, now, owed });
    if (!allowed) expect(one.retryAfter).toBeGreaterThan(0);
    if (!allowed) continue;
    exact.add(BigInt(cost));
    admitted.push({ at: clock.now(), cost });
  }
  for (const { at } of admitted) {
    const within = admitted.filter((one) => one.at >= at && one.at < at + window);
    expect(within.reduce((sum, one) => sum + one.cost, 0)).toBeLessThanOrEqual(2 * limit);
  }
  count(tally, 'decisions', steps.length);
}

/** A request refused with a time to retry after is admitted then, and a millisecond before it is not. */
function retryAfterHolds({ algorithm, limit, window, steps }: WindowScript, tally: Tally): void {
  const clock = new FakeClock(0);
  const store = new MemoryStore({ clock });
  const quota = resolveQuota('w', { rateLimit: limit, refillRate: limit / (window / 1_000), algorithm });
  for (const { wait, cost } of steps) {
    clock.tick((wait * window) / 100);
    const one = charge('a', quota, cost);
    if (store.take([one]) || cost > limit) continue;
    clock.tick(one.retryAfter - 0.001);
    expect(store.take([charge('a', quota, cost)])).toBe(false);
    clock.tick(0.001);
    expect(store.take([charge('a', quota, cost)])).toBe(true);
    count(tally, 'retries');
  }
}

fuzz('limit', [{ title: 'windows count as they are defined', arbitrary: windowScripts, check: windowsCount }], 0.05);
const early = 'Retry-After of a window is neither early nor late';
fuzz('limit', [{ title: early, arbitrary: windowScripts, check: retryAfterHolds }], 0.05);

// --- every store decides alike ---------------------------------------------------------------------------------------

/** Two limits that one policy has in turn, as `limits` and `setLimit` make it. */
interface Policy {
  readonly algorithm: Algorithm;
  readonly limits: readonly [Limit, Limit];
}

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'take' | 'spend' | 'refund'; readonly parts: readonly PartOf[] }
  | { readonly do: 'read'; readonly part: PartOf }
  | { readonly do: 'reset'; readonly part: PartOf }
  | { readonly do: 'write'; readonly part: PartOf; readonly tokens: number };

interface PartOf {
  readonly key: string;
  readonly limit: 0 | 1;
  readonly cost: number;
}

interface StoreScript {
  readonly policies: readonly [Policy, Policy];
  readonly steps: readonly Step[];
}

const limit: fc.Arbitrary<Limit> = fc.record({
  rateLimit: fc.constantFrom(0, 1, 2.5, 5, 10, 12),
  refillRate: fc.constantFrom(0, 0.5, 1, 1 / 3, 3, 10, 7),
});
const policy: fc.Arbitrary<Policy> = fc.record({
  algorithm: fc.constantFrom<Algorithm>('token-bucket', 'fixed-window', 'sliding-window'),
  limits: fc.tuple(limit, limit),
});
const part: fc.Arbitrary<PartOf> = fc.record({
  key: fc.constantFrom('a', 'a', 'b', 'a:b', 'ü\n', '\\', '\0'),
  limit: fc.constantFrom(0 as const, 0 as const, 1 as const),
  cost: fc.constantFrom(0, 0.5, 1, 1, 2, 3, 6),
});
const parts = fc.array(part, { minLength: 1, maxLength: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const), parts }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 30_000 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('spend' as const, 'refund' as const), parts }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const), part }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), part }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('write' as const), part, tokens: fc.integer({ min: -1, max: 14 }) }),
  },
);
const storeScripts: fc.Arbitrary<StoreScript> = fc.record({
  policies: fc.tuple(policy, policy),
  steps: fc.array(step, { minLength: 10, maxLength: 60 }),
});

describeWith(redisService, 'with Redis', (redisUrl) => {
  describeWith(postgresService, 'and PostgreSQL', (postgresUrl) => {
    const schema = `limit_fuzz_${process.pid}`;
    const redis = new Redis(redisUrl, { lazyConnect: true });
    const pool = new Pool({ connectionString: postgresUrl, max: 2 });
    beforeAll(() => Promise.all([redis.connect(), pool.query(`CREATE SCHEMA ${schema}`)]));
    afterAll(async () => {
      redis.disconnect();
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    });

    /** The answer of one store to a step. */
    async function answer(store: RateLimitStore, quotas: readonly Quota[][], one: Step): Promise<unknown> {
      const quotaOf = (policyAt: number, { limit: at }: PartOf): Quota => quotas[policyAt]![at]!;
      if (one.do === 'read') return store.read(one.part.key, quotaOf(0, one.part));
      if (one.do === 'reset') return store.reset(one.part.key, quotaOf(0, one.part));
      if (one.do === 'write') return store.write(one.part.key, quotaOf(0, one.part), one.tokens);
      if (one.do === 'wait') return undefined;
      const charges = one.parts.map((given, i) => charge(given.key, quotaOf(i, given), given.cost));
      if (one.do === 'refund') return store.refund(charges);
      const taken = await (one.do === 'take' ? store.take(charges) : store.spend!(charges));
      return { taken, found: charges.map(found) };
    }

    const found = ({ remaining, retryAfter, resetAfter }: Charge): unknown => ({ remaining, retryAfter, resetAfter });

    async function decideAlike({ policies, steps }: StoreScript, tally: Tally): Promise<void> {
      const clock = new FakeClock(0);
      const id = randomUUID();
      const quotas = policies.map(({ algorithm, limits }, i) =>
        limits.map((one) => resolveQuota(`${id}${i}`, { ...one, algorithm })),
      );
      const stores: Record<string, RateLimitStore> = {
        memory: new MemoryStore({ clock }),
        redis: new RedisStore({ client: redis, prefix: `{${id}}:`, clock, timeout: PATIENT, instances: 1 }),
        postgres: new PostgresStore({ pool, table: `${schema}.buckets`, clock, timeout: PATIENT }),
      };
      clock.tick(1); // RedisStore takes a time of 0 for "the server's own"
      for (const [at, one] of steps.entries()) {
        if (one.do === 'wait') clock.tick(one.ms);
        const answers = await Promise.all(
          Object.entries(stores).map(async ([name, store]) => [name, await answer(store, quotas, one)] as const),
        );
        const [, memory] = answers[0]!;
        expect({ at, ...Object.fromEntries(answers) }).toEqual({ at, memory, redis: memory, postgres: memory });
      }
      const keys = await redis.keys(`?${id}?:*`);
      if (keys.length > 0) await redis.del(...keys);
      count(tally, 'operations', steps.length * 3);
    }

    const title = 'memory, Redis and PostgreSQL decide alike';
    fuzz('limit', [{ title, arbitrary: storeScripts, check: decideAlike, batch: 5 }], 0.2);
  });
});
