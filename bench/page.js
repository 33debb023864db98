// The report: docs/performance.md with the tables, a chart a comparison, and the same as JSON beside it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { barChart } from './chart.js';
import { machine } from './harness.js';
import { markdown } from './report.js';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const charts = 'images/performance';

const INTRODUCTION = `# Performance

Written by \`npm run bench\`, which starts the kit and its peers side by side and loads them in interleaved rounds (see
[bench/README.md](../bench/README.md)). A figure is the median over the rounds, with the least and the most; a ratio is taken
round by round. Targets that were not met are listed like those that were. What the peers are and how they are set up
stands in \`bench/\`; each is set up as its documentation says.`;

const slug = (text) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

function section(comparison) {
  const drawn = comparison.rows.filter(({ rate }) => rate !== undefined);
  if (drawn.length < 2) return markdown(comparison);
  const file = `${charts}/${slug(comparison.title)}.svg`;
  writeFileSync(docs + file, barChart(comparison.title, drawn));
  return `${markdown(comparison)}\n![${comparison.title}](${file})\n`;
}

function summary(found) {
  const targets = found.flatMap(({ comparisons }) =>
    comparisons.flatMap(({ title, targets: judged = [] }) => judged.map((target) => ({ title, ...target }))),
  );
  const rows = targets.map(
    ({ title, what, least, found: { median }, isMet }) =>
      `| ${title} | ${what} | ${least.toLocaleString('en')} | ${median.toLocaleString('en', { maximumFractionDigits: 2 })} | ${isMet ? 'met' : 'not met'} |`,
  );
  return ['| comparison | target | at least | found | |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** Writes the page, its charts and its JSON. */
export function writePerformancePage(found) {
  rmSync(docs + charts, { recursive: true, force: true });
  mkdirSync(docs + charts, { recursive: true });
  const sections = found.flatMap(({ comparisons }) => comparisons.map(section));
  const measured = `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine()}.`;
  writeFileSync(`${docs}performance.md`, `${[INTRODUCTION, measured, summary(found), ...sections].join('\n\n')}`);
  writeFileSync(`${docs}performance.json`, `${JSON.stringify(found, undefined, 2)}\n`);
}
