/** Limits the packages and bytes that are installed with the package, without its optional peers, to those of today. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

const MOST_PACKAGES = 40;
const MOST_BYTES = 19e6;

/** Of the packages as npm has laid them out, counted as the benchmark counts them. */
const COUNT = `
  import { closure, sizeOf } from './bench/adoption/installed.js';
  const folders = [...closure(JSON.parse(process.argv[1]), process.cwd())];
  console.log(JSON.stringify({ packages: folders.length, bytes: folders.reduce((sum, one) => sum + sizeOf(one), 0) }));`;

/** The sources, which both builds together exceed by less than half: each holds the code, and one the declarations twice. */
function sizeOfSources(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

test(`at most ${MOST_PACKAGES} packages and ${MOST_BYTES / 1e6} MB`, () => {
  const printed = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', COUNT, JSON.stringify(Object.keys(dependencies))],
    { cwd: root, encoding: 'utf8' },
  );
  const { packages, bytes } = JSON.parse(printed) as { packages: number; bytes: number };
  expect(packages).toBeGreaterThanOrEqual(Object.keys(dependencies).length);
  expect(packages + 1).toBeLessThanOrEqual(MOST_PACKAGES);
  expect(bytes + 3 * sizeOfSources(join(root, 'src'))).toBeLessThanOrEqual(MOST_BYTES);
});
