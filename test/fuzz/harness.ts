/**
 * Standing adversaries: properties over generated clients, servers and faults that run for as long as they are given.
 *
 * The parts share one time budget of `FUZZ_S` seconds, 30 by default, divided among those in PARTS. They also share one
 * seed, `FUZZ_SEED`. It is fixed by default, so that `npm test` never depends on luck; `npm run test:fuzz` takes a new
 * one and prints it. A counterexample is shrunk, and printed with the seed and path that repeat it. Make it a named
 * test.
 */
import fc from '../support/fast-check.js';

/** The parts, each a file `<part>.fuzz.test.ts` or several; a part's share of the budget is its weight. */
const PARTS: Readonly<Record<string, number>> = {
  shared: 1,
  proxy: 4,
  cache: 4,
  trace: 2,
  limit: 2,
  pool: 2,
  transparency: 3,
};

const DEFAULT_SECONDS = 30;
const FIXED_SEED = 42;
const BATCH = 20;
/** Milliseconds that shrinking a counterexample may take beyond the budget. */
const SHRINK_LIMIT = 120_000;

/** Set by test/fuzz/run.js: the parts that run, which share the whole budget. */
const chosen = process.env.FUZZ_PARTS?.split(',') ?? Object.keys(PARTS);
const totalSeconds = Number(process.env.FUZZ_S ?? DEFAULT_SECONDS);
const seed = Number(process.env.FUZZ_SEED ?? FIXED_SEED);

/** Counts of a property besides its runs, e.g. exchanges. They are printed at the end. */
export type Tally = Record<string, number>;

export interface FuzzProperty<T> {
  /** The property as a sentence, which is the name of the test. */
  readonly title: string;
  readonly arbitrary: fc.Arbitrary<T>;
  /** Throws where the property does not hold. Adds to `tally` what it did. */
  check(value: T, tally: Tally): Promise<void> | void;
  /** Seconds of the part's share, as a weight among the part's properties. Default 1. */
  readonly weight?: number;
  /** Runs between two looks at the clock, and at least. Default 20; fewer where a run takes long. */
  readonly batch?: number;
  /** Counterexamples found before, tried first on every run. */
  readonly examples?: readonly T[];
}

function secondsOf(part: string): number {
  const weight = PARTS[part];
  if (weight === undefined) throw new Error(`fuzz: expected one of ${Object.keys(PARTS).join(', ')}, got '${part}'`);
  const sum = chosen.reduce((total, name) => total + (PARTS[name] ?? 0), 0);
  return (totalSeconds * weight) / Math.max(sum, weight);
}

/**
 * Registers the properties of a part, each a test that runs batches of generated cases until its share of the budget is
 * used, and at least one batch.
 *
 * @param share this file's share of the part's seconds, where a part has several files
 */
export function fuzz<T>(part: string, properties: ReadonlyArray<FuzzProperty<T>>, share = 1): void {
  const weights = properties.reduce((total, { weight = 1 }) => total + weight, 0);
  for (const property of properties) {
    const seconds = (secondsOf(part) * share * (property.weight ?? 1)) / weights;
    test(property.title, () => run(part, property, seconds * 1_000), seconds * 1_000 + SHRINK_LIMIT + 60_000);
  }
}

async function run<T>(part: string, property: FuzzProperty<T>, budget: number): Promise<void> {
  const start = performance.now();
  const tally: Tally = {};
  let runs = 0;
  for (let batch = 0; batch === 0 || performance.now() - start < budget; batch++) {
    const remaining = Math.max(1, budget - (performance.now() - start));
    const details = await fc.check(
      fc.asyncProperty(property.arbitrary, async (value) => {
        runs++;
        await property.check(value, tally);
      }),
      {
        seed: seed + batch,
        numRuns: property.batch ?? BATCH,
        // Shrinking counts into this limit too, so it is generous; batches are small, so that overrunning it is rare.
        interruptAfterTimeLimit: remaining + SHRINK_LIMIT,
        ...(batch === 0 && property.examples && { examples: property.examples.map((value): [T] => [value]) }),
      },
    );
    if (details.failed) throw failure(part, batch, details);
  }
  report(part, property.title, { runs, ...tally }, performance.now() - start);
}

function failure<T>(part: string, batch: number, details: fc.RunDetails<[T]>): Error {
  const cause = details.errorInstance;
  const message = [
    fc.defaultReportMessage(details) ?? 'the property does not hold',
    cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    `Repeat with: FUZZ_SEED=${seed + batch} npm run test:fuzz -- ${part}`,
  ];
  return new Error(message.join('\n'), { cause });
}

/** Written past Jest, which would wrap each line in a frame of its own. */
function report(part: string, title: string, counts: Tally, duration: number): void {
  const counted = Object.entries(counts).map(([what, count]) => `${count.toLocaleString('en')} ${what}`);
  process.stderr.write(
    `fuzz ${part}: ${title}: ${counted.join(', ')}, seed ${seed}, ${(duration / 1_000).toFixed(1)} s\n`,
  );
}
