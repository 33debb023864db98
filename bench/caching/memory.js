// Gets and sets in memory, 1,000 keys in no particular order. Compares the layer with the list it is built on and with
// the caches that Node users have. In every round each cache runs in its own process. In a shared process V8 would
// compile the code that some of them share for all of them.
import { askInRounds } from '../apart.js';
import { publishRates } from '../rates.js';
import { judge, machine } from '../report.js';
import { caches } from './memory-caches.js';

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const module = new URL('memory-worker.js', import.meta.url).pathname;
const names = Object.keys(caches);
const measured = await askInRounds({ module, names, rounds: ROUNDS });
const ratesOf = (operation) =>
  Object.fromEntries(names.map((name) => [name, measured[name].map((rates) => rates[operation])]));

for (const [title, found, peers] of [
  ['Gets from memory', ratesOf('get'), ['lru-cache', 'lru-cache with ttl']],
  ['Sets in memory', ratesOf('set'), []],
]) {
  publishRates({
    title,
    settings: `${ROUNDS} interleaved rounds, each cache in a process of its own; ${machine()}`,
    rates: found,
    ours: 'ours',
    targets: peers.map((of) => judge({ name: 'ours', of, least: 0.8 }, found)),
  });
}
