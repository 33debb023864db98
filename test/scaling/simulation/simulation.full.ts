/** Simulates the days of the table in docs/scaling.md. `UPDATE_DOCS=1` writes the table. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SEEDS, table } from './comparison.js';
import { describeSimulation } from './simulation-suite.js';

const PAGE = resolve(__dirname, '../../../docs/scaling.md');
/** Relative tolerance for machines that round differently. */
const CLOSE = 0.02;
const TABLE = /\| a day of [^]*?\n(?!\|)/;

const numbersOf = (text: string): number[] =>
  [...text.matchAll(/([\d.]+) [sh]\b/g)].map(([, number]) => Number(number));

const comparisons = describeSimulation(SEEDS);

test('the page shows these results', () => {
  const page = readFileSync(PAGE, 'utf8');
  const shown = table(comparisons());
  if (process.env.UPDATE_DOCS === '1') writeFileSync(PAGE, page.replace(TABLE, `${shown}\n`));
  const expected = numbersOf(shown);
  const found = numbersOf(TABLE.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? '');
  expect(found).toHaveLength(expected.length);
  const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(1, CLOSE * b);
  expect(found.filter((number, i) => !isClose(number, expected[i]!))).toEqual([]);
});
