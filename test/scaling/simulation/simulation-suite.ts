/** The properties of the simulated days, for any number of seeds. */
import { buildSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import type { Comparison } from './comparison.js';

/** Runs the simulation in a separate process, because it takes longer inside Jest's sandbox. */
function runApart(seeds: number): Comparison[] {
  const contents = `import { compareAll } from './comparison.js'; process.stdout.write(JSON.stringify(compareAll(${seeds})));`;
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

/** Adds the tests of a number of seeds of each workload. Returns what holds the comparisons once they have run. */
export function describeSimulation(seeds: number): () => readonly Comparison[] {
  let comparisons: readonly Comparison[];

  beforeAll(() => {
    comparisons = runApart(seeds);
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

  return () => comparisons;
}
