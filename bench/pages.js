// Writes the pages that show measurements, from what is kept in docs/measurements:
//   node bench/pages.js            writes them
//   node bench/pages.js --check    fails where one is not what would be written
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decisionsPage } from './decisions-page.js';
import { performancePage } from './page.js';
import { kept } from './results.js';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const CHARTS = 'images/performance';

const pages = () => ({ ...performancePage(kept()), ...decisionsPage(kept()) });

const chartsThere = () =>
  existsSync(docs + CHARTS) ? readdirSync(docs + CHARTS).map((name) => `${CHARTS}/${name}`) : [];

/** Writes the pages, and removes the charts of comparisons that no longer exist. */
export function writePages() {
  const files = pages();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(docs + path), { recursive: true });
    writeFileSync(docs + path, text);
  }
  for (const path of chartsThere()) if (!(path in files)) rmSync(docs + path);
}

/** The files that are not what would be written. */
function stale() {
  const files = pages();
  const differs = ([path, text]) => !existsSync(docs + path) || readFileSync(docs + path, 'utf8') !== text;
  const changed = Object.entries(files)
    .filter(differs)
    .map(([path]) => path);
  return [...changed, ...chartsThere().filter((path) => !(path in files))];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] !== '--check') writePages();
  else if (stale().length > 0) {
    console.error(`Not what bench/pages.js writes: ${stale().join(', ')}`);
    process.exit(1);
  }
}
