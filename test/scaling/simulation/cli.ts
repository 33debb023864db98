/** `npm run simulate`: prints how the scalers do on loads from CSV files, or on generated ones. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { contest, contestTable, Track, type Contest } from './contest.js';
import { generatedRates } from './generated.js';
import { ratesFromCsv } from './trace.js';

const USAGE = `npm run simulate -- FILE.csv … [options]

FILE.csv has lines of "timestamp,value". The value is a load in any unit.

  --mean N           Scales the load to a mean of N requests per second. Default 500. With 0, the values stay as they are.
  --per-instance N   Requests per second that one instance serves. Default 100.
  --boot N           Seconds that an instance needs to start. Default 45.
  --generated N      Uses N generated loads instead of files.
  --days N           Days of each generated load. Default 4.
  --seed N           Seed of the first generated load. Default 1.`;

interface Load {
  readonly name: string;
  readonly rates: () => Float64Array;
}

const OPTIONS = {
  mean: { type: 'string', default: '500' },
  'per-instance': { type: 'string', default: '100' },
  boot: { type: 'string', default: '45' },
  generated: { type: 'string', default: '0' },
  days: { type: 'string', default: '4' },
  seed: { type: 'string', default: '1' },
} as const;

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < least)
    throw new Error(`--${name}: expected a number of at least ${least}, got "${text}"`);
  return value;
}

function summaryLine(name: string, { defaults, equalHpa, verdict }: Contest): string {
  const cell = ({ secondsOver, changes }: Contest['defaults']): string =>
    `${Math.round(secondsOver)} s, ${Math.round(changes)} actions`;
  return `| ${name} | ${defaults.instanceHours.toFixed(1)} h | ${cell(defaults)} | ${cell(equalHpa)} | ${verdict} |`;
}

function main(): void {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const number = (name: keyof typeof OPTIONS, least: number): number => numberOf(name, values[name], least);
  const [mean, days, seed] = [number('mean', 0), number('days', 1), number('seed', 0)];
  const shape = { capacity: number('per-instance', 1e-3), boot: number('boot', 0) };
  const loads: Load[] = [
    ...positionals.map((file) => ({
      name: basename(file, '.csv'),
      rates: () => ratesFromCsv(readFileSync(file, 'utf8'), mean === 0 ? undefined : mean),
    })),
    ...Array.from({ length: number('generated', 0) }, (_, i) => ({
      name: `generated ${seed + i}`,
      rates: () => generatedRates(seed + i, days, mean || 500),
    })),
  ];
  if (loads.length === 0) throw new Error(`no load given\n\n${USAGE}`);
  const summary = [
    '| load | cost | engine, defaults | HPA every 10 s at this cost | engine is |',
    '| --- | ---: | ---: | ---: | --- |',
  ];
  for (const { name, rates } of loads) {
    const result = contest(new Track(rates(), shape));
    process.stdout.write(`## ${name}\n\n${contestTable(result)}\n\n`);
    summary.push(summaryLine(name, result));
  }
  process.stdout.write(`${summary.join('\n')}\n`);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
