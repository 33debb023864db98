/**
 * The whole product of scenarios and kinds of request: `npm run test:transparency`. A sample of it is in `npm test`.
 * `TRANSPARENCY_PART=2/8` takes every eighth cell, from the second on, so that several machines or evenings share the product.
 */
import { describeDifference, Differential, everyCase, type Case } from './differential.js';
import { REQUEST_KINDS } from './requests.js';
import { FRAMEWORKS, SCENARIOS, VARIANTS } from './variants.js';

/** Exchanges at a time: the server and its clients share one process. */
const LANES = 8;
const SHOWN = 40;
/** Milliseconds. A busy machine is slow, not wrong: only a run that hangs is to be ended. */
const LIMIT = 4 * 3_600_000;

const [part = 1, parts = 1] = (process.env['TRANSPARENCY_PART'] ?? '1/1').split('/').map(Number);
if (!(part >= 1 && part <= parts))
  throw new RangeError('TRANSPARENCY_PART: expected a part of so many, for example 2/8');

const chosen: readonly Case[] = [...everyCase()].filter((_one, at) => at % parts === part - 1);
const CELLS = chosen.length;
/** Cells between two lines that say how far it is. */
const STEP = Math.ceil(CELLS / 20);

const say = (line: string): void => void process.stderr.write(`transparency: ${line}\n`);

test(
  'an application with the kit mounted sends what it sends without',
  async () => {
    const differential = new Differential();
    const found: string[] = [];
    const cases = chosen.values();
    let done = 0;
    const lane = async (): Promise<void> => {
      for (let next = cases.next(); next.done !== true; next = cases.next()) {
        found.push(...(await differential.compare(next.value)).map(describeDifference));
        if (++done % STEP === 0) say(`${done} of ${CELLS} cells, ${found.length} differences`);
      }
    };
    try {
      await Promise.all(Array.from({ length: LANES }, lane));
    } finally {
      await differential.close();
    }
    say(
      `part ${part} of ${parts}, Node ${process.versions.node}, ${Object.keys(FRAMEWORKS).join(' and ')}, ${SCENARIOS.length} handlers, ` +
        `${REQUEST_KINDS.length} kinds of request, ${VARIANTS.length} ways to mount, ` +
        `${differential.exchanges.toLocaleString('en')} exchanges, ${found.length} differences`,
    );
    if (found.length > 0) throw new Error(`${found.length} differences:\n${found.slice(0, SHOWN).join('\n')}`);
  },
  LIMIT,
);
