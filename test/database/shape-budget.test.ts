/** The time for shapes stays within its share of the time of the statements, and the counts stay without bias. */
import fc from '../support/fast-check.js';
import { QueryOptimizer, type Queryable } from '../../src/database/index.js';
import { fingerprint } from '../../src/database/fingerprint.js';
import { ShapeBudget } from '../../src/database/shape-budget.js';
import { installInstrumentation, type Attributes, type Instrumentation } from '../../src/shared/instrumentation.js';

/** Numbers in [0, 1) that depend on the seed only (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A kind of statement: the length of its text, and the milliseconds of a reading and of the statement. */
interface Kind {
  readonly length: number;
  readonly cost: number;
  readonly duration: number;
}

interface Outcome {
  spent: number;
  earned: number;
  /** By kind: how many ran, how many were counted, and the variance of that number, estimated from the sample. */
  readonly ran: number[];
  readonly counted: number[];
  readonly variance: number[];
  read: number;
}

/** Runs statements of these kinds in random order. A reading moves the clock by its cost. */
function simulate(kinds: readonly Kind[], statements: number, share: number, seed: number): Outcome {
  const random = randomFrom(seed);
  let now = 0;
  const budget = new ShapeBudget({ share, clock: { now: () => now }, random: randomFrom(seed + 1) });
  const none = (): number[] => kinds.map(() => 0);
  const outcome: Outcome = { spent: 0, earned: 0, ran: none(), counted: none(), variance: none(), read: 0 };
  const texts = kinds.map(({ length }) => 'x'.repeat(length));
  for (let i = 0; i < statements; i++) {
    const at = Math.floor(random() * kinds.length);
    const { cost, duration } = kinds[at]!;
    const sql = texts[at]!;
    const read = (): void => {
      budget.read(sql, () => ((now += cost), ''));
      outcome.spent += cost;
      outcome.read++;
    };
    let times = budget.weigh(sql);
    if (times > 0) read();
    if (budget.settle(sql, duration, false)) {
      if (times === 0) read();
      times = 1;
    }
    outcome.earned += duration;
    outcome.ran[at]!++;
    outcome.counted[at]! += times;
    outcome.variance[at]! += times * (times - 1);
  }
  return outcome;
}

/** A power of two, so that each kind has a class of its own. */
const kind = fc
  .tuple(
    fc.integer({ min: 4, max: 12 }),
    fc.double({ min: -4, max: -2, noNaN: true }),
    fc.integer({ min: 0, max: 300 }),
  )
  .map(([power, cost, factor]) => ({ length: 2 ** power, cost: 10 ** cost, duration: factor * 10 ** cost }));
const kinds = fc.uniqueArray(kind, { minLength: 1, maxLength: 4, selector: ({ length }) => length });

const STATEMENTS = 12_000;

test('readings stay within their share of the time of any mix of statements', () => {
  fc.assert(
    fc.property(kinds, fc.constantFrom(0.01, 0.02, 0.1), fc.nat(), (all, share, seed) => {
      const { spent, earned } = simulate(all, STATEMENTS, share, seed);
      // The first are read regardless of their cost, and no fewer than one in 256 after that.
      const dearest = Math.max(...all.map(({ cost }) => cost));
      const unavoidable = (1_000 + STATEMENTS / 128) * dearest;
      expect(spent).toBeLessThanOrEqual(share * earned * 1.1 + unavoidable);
    }),
    { numRuns: 40 },
  );
});

test('every kind of statement is counted as often as it ran, with the error of a sample', () => {
  fc.assert(
    fc.property(kinds, fc.nat(), (all, seed) => {
      const { ran, counted, variance } = simulate(all, STATEMENTS, 0.02, seed);
      ran.forEach((count, at) => {
        // Six standard deviations, and six readings at the largest step, by which the variance is uncertain.
        expect(Math.abs(counted[at]! - count)).toBeLessThanOrEqual(6 * Math.sqrt(variance[at]!) + 6 * 256);
      });
    }),
    { numRuns: 40 },
  );
});

test('all texts are read while that costs less than the share', () => {
  const cheap = fc.record({
    length: fc.integer({ min: 1, max: 5_000 }),
    cost: fc.constant(0.001),
    duration: fc.double({ min: 0.06, max: 10, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(cheap, { minLength: 1, maxLength: 4 }), fc.nat(), (all, seed) => {
      const { ran, counted, read } = simulate(all, 3_000, 0.02, seed);
      expect(counted).toEqual(ran);
      expect(read).toBe(3_000);
    }),
    { numRuns: 30 },
  );
});

test('a statement whose time pays for its text is always read, among many that are not', () => {
  const fast = { length: 64, cost: 0.01, duration: 0.02 };
  const slow = { length: 4_096, cost: 0.01, duration: 2 };
  const mix = [...Array<Kind>(300).fill(fast), slow];
  const { ran, counted, read } = simulate(mix, STATEMENTS, 0.01, 1);
  expect(read).toBeLessThan(STATEMENTS / 4);
  expect(counted[300]).toBe(ran[300]);
});

test('a share of 1 reads everything, even statements that take no time', () => {
  const { ran, counted } = simulate([{ length: 10, cost: 1, duration: 0 }], 5_000, 1, 1);
  expect(counted).toEqual(ran);
});

describe('the optimizer', () => {
  /** Each look at the clock takes a microsecond, so that a reading takes as long as a statement. */
  function slowClock() {
    let now = 0;
    return { now: () => (now += 0.001), tick: (ms: number) => void (now += ms) };
  }
  const clock = slowClock();
  let takes = 0;
  const database: Queryable = {
    query() {
      clock.tick(takes);
      return Promise.resolve({ rows: [], rowCount: 2 });
    },
  };
  const traced: Array<string | undefined> = [];
  const instrument = (sampled: boolean): void => {
    const span = (attributes: Attributes | undefined) => {
      const at = traced.push(attributes?.['db.query.summary'] as string | undefined) - 1;
      return {
        setAttribute: (_name: string, value: unknown) => void (traced[at] = value as string),
        inject: () => undefined,
        end: () => undefined,
      };
    };
    const parts: Instrumentation = {
      startSpan: (_operation, attributes) => span(attributes),
      inject: () => undefined,
      current: () => ({ traceId: 't', spanId: 's', sampled }),
      currentWork: () => undefined,
      currentRoute: () => undefined,
      nameRoute: () => undefined,
      bind: (callback) => callback,
    };
    installInstrumentation(parts);
  };

  beforeEach(() => {
    takes = 0;
    traced.length = 0;
  });
  afterEach(() => installInstrumentation(undefined));

  const select = (value: number): string => `SELECT a FROM t WHERE b = ${value}`;
  const SHAPE = 'select a from t where b = ?';

  async function run(optimizer: QueryOptimizer, count: number, textOf = select): Promise<void> {
    for (let i = 0; i < count; i++) await optimizer.run(database, textOf(i));
  }

  test('estimates the calls of texts that it does not read, and marks them as estimates', async () => {
    const optimizer = new QueryOptimizer({ clock });
    await run(optimizer, 1_000);
    expect(optimizer.getStats()).toMatchObject({
      unreadStatements: 0,
      statements: [{ calls: 1_000, isEstimated: false, fingerprint: SHAPE }],
    });
    await run(optimizer, 10_000);
    const { queries, unreadStatements, statements } = optimizer.getStats();
    expect(queries).toBe(11_000);
    expect(unreadStatements).toBeGreaterThan(8_000);
    expect(statements).toHaveLength(1);
    expect(statements[0]).toMatchObject({ fingerprint: SHAPE, isEstimated: true });
    expect(Math.abs(statements[0]!.calls - 11_000)).toBeLessThan(6 * Math.sqrt(256 * 10_000));
    expect(statements[0]!.rows).toBe(2 * statements[0]!.calls);
    expect(statements[0]!.meanTime).toBeCloseTo(0.001, 6);
  });

  test('counts texts that repeat and statements that take long exactly', async () => {
    const optimizer = new QueryOptimizer({ clock, slowQueryThreshold: 50 });
    await run(optimizer, 3_000);
    await run(optimizer, 3_000, () => 'SELECT c FROM t');
    takes = 60;
    await run(optimizer, 3, (i) => `SELECT d FROM t WHERE e = ${i}`);
    const { statements } = optimizer.getStats();
    const one = (name: string) => statements.find(({ fingerprint: shape }) => shape.includes(` ${name} `));
    expect(one('d')).toMatchObject({ calls: 3, isEstimated: false });
    expect(optimizer.getSlowQueries().map(({ fingerprint: shape }) => shape)).toEqual(
      Array<string>(3).fill(fingerprint('SELECT d FROM t WHERE e = 1')),
    );
    // The first two times its text is not known yet.
    expect(Math.abs(one('c')!.calls - 3_000)).toBeLessThanOrEqual(512);
  });

  test('reads all texts with a budget of 1', async () => {
    const optimizer = new QueryOptimizer({ clock, shapeBudget: 1 });
    await run(optimizer, 2_000);
    expect(optimizer.getStats()).toMatchObject({ unreadStatements: 0, statements: [{ calls: 2_000 }] });
  });

  test('always has the shape for a sampled trace, and for a slow statement of another', async () => {
    const optimizer = new QueryOptimizer({ clock });
    await run(optimizer, 2_000);
    instrument(true);
    await run(optimizer, 200);
    expect(traced).toEqual(Array<string>(200).fill(SHAPE));
    instrument(false);
    traced.length = 0;
    await run(optimizer, 200);
    expect(traced).toContain(undefined);
    takes = 5;
    traced.length = 0;
    await run(optimizer, 200);
    expect(traced).toEqual(Array<string>(200).fill(SHAPE));
  });
});
