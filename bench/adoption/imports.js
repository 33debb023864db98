// What the import of an entry costs beside that of express-rate-limit: processor time in processes of their own, and files.
import { fileURLToPath } from 'node:url';
import { askInRounds, askWorker } from '../apart.js';
import { judgeMost, machine, publish, ratio, spread } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 15);
const PEER = 'express-rate-limit';
const ROOT = '@tooloo/resilience';
const ENTRIES = ['rate-limit', 'trace', 'cache', 'health', 'proxy', 'metrics', 'service-client', 'pool'];
const names = [PEER, ROOT, ...ENTRIES.map((entry) => `${ROOT}/${entry}`)];

const module = fileURLToPath(new URL('import-worker.js', import.meta.url));
await askInRounds({ module, names, rounds: 1 }); // reads the files once, so that the first round is like the others
const found = await askInRounds({ module, names, rounds });
const files = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await askWorker(module, name, 'count')])),
);

/** Round by round, as a multiple of the peer in the same round. */
const beside = (name) => found[name].map((ms, round) => ms / found[PEER][round]);
const milliseconds = ({ median, least, most }) => `${median.toFixed(0)} (${least.toFixed(0)} – ${most.toFixed(0)})`;

publish({
  title: 'Import',
  settings: `processor time of one import by a new process; median of ${rounds} interleaved rounds; ${machine()}`,
  columns: ['', 'ms', `beside ${PEER}`, 'files'],
  rows: names.map((name) => ({
    name,
    cells: [name, milliseconds(spread(found[name])), name === PEER ? '' : ratio(spread(beside(name))), files[name]],
  })),
  targets: [
    judgeMost({ what: `${ROOT}/rate-limit / ${PEER}`, most: 1.5 }, beside(`${ROOT}/rate-limit`)),
    judgeMost({ what: `${ROOT} / ${PEER}`, most: 3 }, beside(ROOT)),
    judgeMost({ what: `files of ${ROOT}/rate-limit`, most: 25 }, [files[`${ROOT}/rate-limit`]]),
  ],
});
