// Writes docs/design-decisions.md from the template design-decisions.md beside this file. Figures come from the stored
// measurements, so that none is typed by hand. `{{what: argument | argument}}` inserts a figure; a missing one is an
// error.
import { readFileSync } from 'node:fs';
import { whole } from './report.js';

const template = new URL('design-decisions.md', import.meta.url);

/** Short where it is a fraction, whole where it is not. */
const factor = (value) => value.toFixed(value < 10 ? 1 : 0);
const percent = (value) => `${Math.round(100 * value)} %`;

function inserts(results) {
  const comparisonOf = (title) => {
    const found = results.flatMap(({ comparisons }) => comparisons).find((one) => one.title === title);
    if (found === undefined) throw new Error(`design-decisions.md: there is no comparison '${title}'`);
    return found;
  };
  const rowOf = (title, name) => {
    const found = comparisonOf(title).rows.find((row) => row.name === name);
    if (found === undefined) throw new Error(`design-decisions.md: '${title}' has no row '${name}'`);
    return found;
  };
  const rateOf = (title, name) => rowOf(title, name).rate.median;
  const cellOf = (title, name, column) => {
    const at = comparisonOf(title).columns.lastIndexOf(column);
    if (at === -1) throw new Error(`design-decisions.md: '${title}' has no column '${column}'`);
    return String(rowOf(title, name).cells[at]);
  };
  const number = (text) => Number(text.replaceAll(',', ''));
  return {
    table(title) {
      const { columns, rows, settings } = comparisonOf(title);
      const lines = [columns, columns.map(() => '---'), ...rows.map(({ cells }) => cells)];
      return `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n*${title}: ${settings}.*`;
    },
    cell: cellOf,
    rate: (title, name) => whole(rateOf(title, name)),
    ratio: (title, name, of) => factor(rateOf(title, name) / rateOf(title, of)),
    share: (title, name, of) => percent(rateOf(title, name) / rateOf(title, of)),
    compare: (title, column, name, of) =>
      percent(number(cellOf(title, name, column)) / number(cellOf(title, of, column))),
    measured(part) {
      const { date, machine } = results.find((result) => result.part === part);
      return `${machine}, on ${date}`;
    },
  };
}

/** The page: its text by its path below docs/. */
export function decisionsPage(results) {
  const known = inserts(results);
  const text = readFileSync(template, 'utf8').replace(/\{\{(\w+): ([^}]+)\}\}/g, (_, what, list) =>
    known[what](...list.split(' | ')),
  );
  return { 'design-decisions.md': text };
}
