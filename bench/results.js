// Stores measurements in docs/measurements, one file per part. Measuring a part again replaces its file.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parts } from './parts.js';
import { machine } from './report.js';

const folder = fileURLToPath(new URL('../docs/measurements/', import.meta.url));
const fileOf = (name) => `${folder}${name}.json`;

/** Keeps what a part found: a list of comparisons (see `publish`). */
export function keep({ name, title }, comparisons) {
  mkdirSync(folder, { recursive: true });
  const result = { part: name, title, date: new Date().toISOString().slice(0, 10), machine: machine(), comparisons };
  writeFileSync(fileOf(name), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** All that is kept, in the order of the report. */
export function kept() {
  return parts
    .map(({ name }) => fileOf(name))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')));
}
