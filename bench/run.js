// Runs the comparisons one after the other, keeps what they found and writes docs/performance.md and docs/design-decisions.md:
//   npm run bench               all of them but those that run alone
//   npm run bench -- cache      those whose name begins with the word
//   npm run bench -- --keep     keeps what was found with other settings than the usual ones, too
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePages } from './pages.js';
import { parts, partsNamed } from './parts.js';
import { asked } from './report.js';
import { keep } from './results.js';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** What the environment may change about a run, which makes its figures others than the report's. */
const SETTINGS = ['ROUNDS', 'SECONDS', 'REQUESTS', 'RATE', 'BYTES'];

/** What the module published; prints what it prints. */
async function run(module, settings) {
  const scratch = mkdtempSync(join(tmpdir(), 'bench-'));
  const results = join(scratch, 'results.jsonl');
  writeFileSync(results, '');
  try {
    const child = spawn(process.execPath, ['--expose-gc', join(folder, module)], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...settings, ...process.env, BENCH_RESULTS: results },
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`${module} ended with ${code}`);
    return readFileSync(results, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const options = process.argv.slice(2);
const words = options.filter((word) => !word.startsWith('--'));
const chosen = partsNamed(words);
const unknown = options.find((word) => word.startsWith('--') && word !== '--keep');
if (chosen.length === 0 || unknown !== undefined) {
  const names = parts.map(({ name }) => name).join(', ');
  console.error(
    unknown === undefined ? `There is no part '${words.join(' ')}'; there are ${names}.` : `What is ${unknown}?`,
  );
  process.exit(1);
}
const changed = SETTINGS.filter((name) => process.env[name] !== undefined);
const isKept = changed.length === 0 || options.includes('--keep');

const began = performance.now();
const elapsed = () => Math.round((performance.now() - began) / 1000);
const missed = [];
for (const part of chosen) {
  const comparisons = [];
  for (const [module, settings] of Object.entries(part.modules)) {
    console.error(`[${elapsed()} s] ${part.name}: ${module}`);
    comparisons.push(...(await run(module, settings)));
  }
  missed.push(...comparisons.flatMap(({ targets = [] }) => targets.filter(({ isMet }) => !isMet)));
  if (isKept) keep(part, comparisons);
}
console.error(`Done in ${elapsed()} s; targets not met: ${missed.length}.`);
for (const target of missed)
  console.error(`  ${target.what}: asked ${asked(target)}, found ${target.found.median.toFixed(2)}`);
if (isKept) writePages();
else console.error(`Not kept, since ${changed.join(', ')} changed what was measured; --keep would.`);
