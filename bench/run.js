// Runs the comparisons one after the other and writes what they found to docs/performance.md:
//   npm run bench               all of them
//   npm run bench -- cache      those whose name begins with the word
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePerformancePage } from './page.js';
import { parts } from './parts.js';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** What the module published; prints what it prints. */
async function run(module) {
  const scratch = mkdtempSync(join(tmpdir(), 'bench-'));
  const results = join(scratch, 'results.jsonl');
  writeFileSync(results, '');
  try {
    const child = spawn(process.execPath, ['--expose-gc', join(folder, module)], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, BENCH_RESULTS: results },
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

const wanted = process.argv.slice(2);
const chosen = parts.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)));
if (chosen.length === 0) {
  console.error(`There is no part '${wanted.join(' ')}'; there are ${parts.map(({ name }) => name).join(', ')}.`);
  process.exit(1);
}

const began = performance.now();
const found = [];
for (const { name, title, modules } of chosen) {
  for (const module of modules) {
    const elapsed = Math.round((performance.now() - began) / 1000);
    console.error(`[${elapsed} s] ${name}: ${module}`);
    found.push({ part: name, partTitle: title, module, comparisons: await run(module) });
  }
}
const missed = found.flatMap(({ comparisons }) =>
  comparisons.flatMap(({ targets = [] }) => targets.filter(({ isMet }) => !isMet)),
);
console.error(`Done in ${Math.round((performance.now() - began) / 1000)} s; targets not met: ${missed.length}.`);
for (const { what, least, found: seen } of missed)
  console.error(`  ${what}: asked ${least}, found ${seen.median.toFixed(2)}`);
if (chosen.length === parts.length) writePerformancePage(found);
else console.error('docs/performance.md is written when all parts run.');
