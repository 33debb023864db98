// Builds the report docs/performance.md from the measurements in docs/measurements, with one chart per comparison.
import { barChart, curveChart } from './chart.js';
import { asked, floorOf, markdown } from './report.js';

const CHARTS = 'images/performance';

const INTRODUCTION = `# Performance

Written by \`npm run bench\`, which starts the kit and its peers side by side and loads them in interleaved rounds (see
[bench/README.md](../bench/README.md)). A figure is the median over the rounds, with the minimum and the maximum;
ratios are computed per round. The floor of a target is what a program reaches that uses only Node's server and the
library the kit is built on. Targets that were not met are listed like those that were. The code in \`bench/\` shows
which peers are compared and how they are set up; each is set up as its documentation says. For the decisions based on
these figures, see [design decisions](design-decisions.md).`;

const slug = (text) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

function chartOf({ title, rows, curves }) {
  if (curves !== undefined) return curveChart(title, curves);
  const drawn = rows.filter(({ rate }) => rate !== undefined);
  return drawn.length < 2 ? undefined : barChart(title, drawn);
}

const written = (value) => value.toLocaleString('en', { maximumFractionDigits: 2 });

function summary(results) {
  const rows = results.flatMap(({ comparisons }) =>
    comparisons.flatMap(({ title, targets = [] }) =>
      targets.map((target) => {
        const { what, found, isMet } = target;
        return `| ${title} | ${what} | ${asked(target, written)} | ${written(found.median)} | ${floorOf(target, written)} | ${isMet ? 'met' : 'not met'} |`;
      }),
    ),
  );
  return ['| comparison | target | asked | found | floor | |', '|---|---|---|---|---|---|', ...rows].join('\n');
}

/** The page and its charts: the text of each file by its path below docs/. */
export function performancePage(results) {
  const files = {};
  const section = (comparison) => {
    const chart = chartOf(comparison);
    if (chart === undefined) return markdown(comparison, 3);
    const path = `${CHARTS}/${slug(comparison.title)}.svg`;
    files[path] = chart;
    return `${markdown(comparison, 3)}\n![${comparison.title}](${path})\n`;
  };
  const sections = results.map(({ title, date, machine, comparisons }) =>
    [`## ${title}\n\nMeasured on ${date}: ${machine}.`, ...comparisons.map(section)].join('\n'),
  );
  files['performance.md'] = `${[INTRODUCTION, summary(results), ...sections].join('\n\n').trimEnd()}\n`;
  return files;
}
