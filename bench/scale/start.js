// How long it takes until the kit is loaded and until a server with it gives its first answer, each time in a new process.
import { askInRounds } from '../apart.js';
import { machine, publish, spread } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 11);
const NOTHING = 'Node and nothing else';
const names = [
  NOTHING,
  'import the kit',
  'require the kit',
  'Node alone, first answer',
  'Express, first answer',
  'Express and the kit, first answer',
];

const found = await askInRounds({ module: new URL('start-worker.js', import.meta.url).pathname, names, rounds });
const milliseconds = ({ median, least, most }) => `${median.toFixed(0)} (${least.toFixed(0)} – ${most.toFixed(0)})`;
publish({
  title: 'Time to start',
  settings: `from the start of the process; median of ${rounds} interleaved rounds; ${machine()}`,
  columns: ['', 'ms', 'beyond Node itself, ms'],
  rows: names.map((name) => {
    const beyond = spread(found[name].map((ms, round) => ms - found[NOTHING][round]));
    return { name, cells: [name, milliseconds(spread(found[name])), name === NOTHING ? '' : milliseconds(beyond)] };
  }),
});
