/**
 * Simulates a day of each workload with three scalers. `UPDATE_DOCS=1` writes the table into docs/scaling.md.
 */
import { buildSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { table, type Comparison } from './comparison.js';

const PAGE = resolve(__dirname, '../../../docs/scaling.md');
/** Relative tolerance for machines that round differently. */
const CLOSE = 0.02;
const TABLE = /\| a day of [^]*?\n(?!\|)/;

const numbersOf = (text: string): number[] =>
  [...text.matchAll(/([\d.]+) [sh]\b/g)].map(([, number]) => Number(number));

let comparisons: readonly Comparison[];

/** Runs the simulation in a separate process, because it takes four times as long inside Jest's sandbox. */
function runApart(): Comparison[] {
  const contents = `import { compareAll } from './comparison.js'; process.stdout.write(JSON.stringify(compareAll()));`;
  const { outputFiles } = buildSync({
    stdin: { contents, loader: 'ts', resolveDir: __dirname },
    bundle: true,
    write: false,
    platform: 'node',
    logLevel: 'silent',
  });
  const run = spawnSync(process.execPath, ['-'], { input: outputFiles[0]!.text, encoding: 'utf8', timeout: 300_000 });
  if (run.status !== 0) throw new Error(`the simulation failed: ${run.stderr}`);
  return JSON.parse(run.stdout) as Comparison[];
}

beforeAll(() => {
  comparisons = runApart();
}, 310_000);

test('on predictable traffic the engine is never slow for longer or more expensive than the plain rules', () => {
  for (const { workload, worseOn } of comparisons.filter((one) => one.workload.predictable)) {
    expect([workload.name, worseOn]).toEqual([workload.name, []]);
  }
});

test('where the plain rules are often late, the engine is slow for less than a tenth of their time', () => {
  for (const { workload, engine, hpa } of comparisons) {
    if (workload.predictable && hpa.secondsOver > 100) expect(engine.secondsOver).toBeLessThan(hpa.secondsOver / 10);
  }
});

test('on random traffic the engine is not slow for longer', () => {
  for (const { workload, engine, hpa } of comparisons.filter((one) => !one.workload.predictable)) {
    expect([workload.name, engine.secondsOver <= hpa.secondsOver]).toEqual([workload.name, true]);
  }
});

test('a fixed fleet of the same cost is slow for longer', () => {
  for (const { workload, engine, fixed } of comparisons) {
    expect([workload.name, fixed.instanceHours >= engine.instanceHours]).toEqual([workload.name, true]);
    expect([workload.name, fixed.secondsOver > engine.secondsOver]).toEqual([workload.name, true]);
  }
});

test('the page shows these results', () => {
  const page = readFileSync(PAGE, 'utf8');
  const shown = table(comparisons);
  if (process.env.UPDATE_DOCS === '1') writeFileSync(PAGE, page.replace(TABLE, `${shown}\n`));
  const expected = numbersOf(shown);
  const found = numbersOf(TABLE.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? '');
  expect(found).toHaveLength(expected.length);
  const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(1, CLOSE * b);
  expect(found.filter((number, i) => !isClose(number, expected[i]!))).toEqual([]);
});
