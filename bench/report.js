// Publishes a comparison: prints a table and, if BENCH_RESULTS names a file, appends a line of JSON to it (see run.js).
import { appendFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The machine and the version of Node that the figures were measured on. */
export function machine(version = process.version) {
  return `Node ${version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
}

/** Median, least and most of some numbers. */
export function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], most: sorted[sorted.length - 1] };
}

/** Median and quartiles of some numbers. */
export function quartiles(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share) => {
    const place = (sorted.length - 1) * share;
    const below = sorted[Math.floor(place)];
    return below + (sorted[Math.ceil(place)] - below) * (place % 1);
  };
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

/** A whole number with separators. */
export const whole = (number) => Math.round(number).toLocaleString('en');

/** Two digits, or as many as make sense of a large one. */
export const ratio = ({ median, least, most }) => `${median.toFixed(2)} (${least.toFixed(2)} – ${most.toFixed(2)})`;

/**
 * Judges a target by what was measured, round by round.
 *
 * @param target `{ name, of?, least, floor? }`: the least rate of `name`, as a multiple of that of `of` where one is named. The
 *   server `floor` uses only Node and the library that the kit is built on.
 */
export function judge({ name, of, least, what, floor }, rates) {
  const against = (one) =>
    spread(of === undefined ? rates[one] : rates[one].map((rate, round) => rate / rates[of][round]));
  const found = against(name);
  const judged = {
    what: what ?? (of === undefined ? name : `${name} / ${of}`),
    least,
    found,
    isMet: found.median >= least,
  };
  return floor === undefined ? judged : { ...judged, floor: { name: floor, found: against(floor) } };
}

/** Judges numbers that are to be at most so much, by their median. */
export function judgeMost({ what, most, floor }, numbers) {
  const found = spread(numbers);
  return { what, most, found, isMet: found.median <= most, ...(floor !== undefined && { floor }) };
}

/** The bound that a target sets. */
export const asked = ({ least, most }, write = figure) =>
  most === undefined ? `≥ ${write(least)}` : `≤ ${write(most)}`;

/** The figure of the floor of a target, if it has one. */
export const floorOf = ({ floor }, write = figure) =>
  floor === undefined ? '' : `${write(floor.found.median)}, ${floor.name}`;

const figure = (value) => (value >= 1000 ? whole(value) : value.toFixed(2));

function line(target) {
  const { what, found, isMet } = target;
  const seen = `${figure(found.median)} (${figure(found.least)} – ${figure(found.most)})`;
  return `| ${what} | ${asked(target)} | ${seen} | ${floorOf(target)} | ${isMet ? 'met' : 'not met'} |`;
}

/** The comparison in Markdown, under a heading of that level. */
export function markdown({ title, settings, columns, rows, notes = [], targets = [] }, level = 2) {
  const table = [`| ${columns.join(' | ')} |`, `|${'---|'.repeat(columns.length)}`];
  for (const { cells } of rows) table.push(`| ${cells.join(' | ')} |`);
  const judged = ['| target | asked | found | floor | |', '|---|---|---|---|---|', ...targets.map(line)];
  const parts = [
    `${'#'.repeat(level)} ${title}`,
    settings,
    table.join('\n'),
    ...notes,
    ...(targets.length > 0 ? [judged.join('\n')] : []),
  ];
  return `\n${parts.filter((part) => part !== undefined && part !== '').join('\n\n')}\n`;
}

/**
 * Prints a comparison and keeps it for the report.
 *
 * @param comparison `{ title, settings?, columns, rows: [{ name, cells, rate? }], curves?, notes?, targets? }`: `cells` are what the
 *   table shows, `rate` (a spread) is what the chart draws, or `curves` (see `curveChart`); `targets` come
 *   from `judge` and `judgeMost`
 */
export function publish(comparison) {
  console.log(markdown(comparison));
  if (process.env.BENCH_RESULTS !== undefined) {
    appendFileSync(process.env.BENCH_RESULTS, `${JSON.stringify(comparison)}\n`);
  }
}
