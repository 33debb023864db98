// Runs the standing adversaries with a fresh seed: `npm run test:fuzz`, or some of them: `npm run test:fuzz -- cache limit`.
//   FUZZ_S     seconds in all (default 300)
//   FUZZ_SEED  a seed to repeat; a failure prints it
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const files = readdirSync(here).filter((name) => name.endsWith('.fuzz.test.ts'));
const known = [...new Set(files.map((name) => name.split('.')[0]))];
const parts = process.argv.length > 2 ? process.argv.slice(2) : known;
const unknown = parts.find((part) => !known.includes(part));
if (unknown !== undefined) throw new Error(`test:fuzz: expected one of ${known.join(', ')}, got '${unknown}'`);

const seed = process.env.FUZZ_SEED ?? String(randomInt(2 ** 31));
const seconds = process.env.FUZZ_S ?? '300';
process.stderr.write(`fuzz: ${seconds} s in all of ${parts.join(', ')}, FUZZ_SEED=${seed}\n`);
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const { status } = spawnSync(
  process.execPath,
  [jest, '-i', ...parts.map((part) => `test/fuzz/${part}\\.(.*\\.)?fuzz\\.test\\.ts$`)],
  {
    stdio: 'inherit',
    cwd: join(here, '../..'),
    env: { ...process.env, FUZZ_SEED: seed, FUZZ_S: seconds, FUZZ_PARTS: parts.join(',') },
  },
);
process.exitCode = status ?? 1;
