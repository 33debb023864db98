/** The pages that show measurements say what is kept in docs/measurements, and are made without any package of `bench/`. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const bench = join(__dirname, '../../bench');

const run = (...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd: bench, encoding: 'utf8', stdio: 'pipe' });

test('docs/performance.md, its charts and docs/design-decisions.md are what bench/pages.js writes', () => {
  expect(() => run('pages.js', '--check')).not.toThrow();
});

test('every module that a part of the benchmark names is there', () => {
  const print = `import { parts } from './parts.js';
    console.log(JSON.stringify(parts.flatMap(({ modules }) => Object.keys(modules))));`;
  const modules = JSON.parse(run('--input-type=module', '-e', print)) as string[];
  expect(modules.length).toBeGreaterThan(0);
  expect(modules.filter((module) => !existsSync(join(bench, module)))).toEqual([]);
});

test('the soak distinguishes memory that grows with each request from memory that reached its limit', () => {
  const print = `import { secondHalf, slope } from './soak/flatness.js';
    const noise = (i) => (i % 7) * 1e5 + (i === 33 ? 5e7 : 0);
    const soak = (left) => Array.from({ length: 40 }, (_, i) => [i * 2.5e5, Math.min(i, 15) * 1e6 + noise(i) + left * i * 2.5e5]);
    console.log(JSON.stringify([0, 2].map((left) => slope(secondHalf(soak(left))))));`;
  const [full, leaking] = JSON.parse(run('--input-type=module', '-e', print)) as [number, number];
  expect(Math.abs(full)).toBeLessThan(0.1);
  expect(leaking).toBeGreaterThan(1.9);
  expect(leaking).toBeLessThan(2.1);
});
