/** The fleet as text without a terminal: all three tables, as wide as they need to be. */
import { clockTime } from '../dashboard/model/format.js';
import { printable, textOf } from './line.js';
import { problemTexts, type FleetSummary } from './summary.js';
import { tableLines } from './table-lines.js';
import { listed, tableOf, VIEWS } from './tables.js';

const BY_NAME = { column: 0, isDescending: false };

export function picture(summary: FleetSummary): string[] {
  const tables = VIEWS.map((view) => {
    const table = tableOf(view, summary);
    // Calls and routes stay in their order, the most frequent first.
    const rows = view === 'instances' ? listed(table, '', BY_NAME) : table.rows;
    return { ...table, rows };
  });
  return [
    headline(summary),
    ...tables
      .filter(({ rows }) => rows.length > 0)
      .flatMap((table) => {
        const { title, rows } = tableLines(table, Infinity);
        return ['', ...[title, ...rows].map((line) => textOf(line).trimEnd())];
      }),
  ];
}

function headline(summary: FleetSummary): string {
  const { ready, total } = summary.health;
  const state = [`TooLoo  ${clockTime(summary.at)}  ${ready} of ${total} ready`, ...problemTexts(summary)];
  return printable(state.join('  '));
}
