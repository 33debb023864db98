// What it costs to carry the current trace through awaits and callbacks: Node's AsyncLocalStorage, and cls-hooked.
import { askInRounds } from '../apart.js';
import { publishRates } from '../rates.js';
import { machine } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 9);
publishRates({
  title: 'Carrying the trace',
  settings: `Express without a network, three awaits per request; ${rounds} interleaved rounds, each in its own process; ${machine()}`,
  rates: await askInRounds({
    module: new URL('carriers-worker.js', import.meta.url).pathname,
    names: ['none', 'AsyncLocalStorage', 'cls-hooked'],
    rounds,
  }),
  ours: 'AsyncLocalStorage',
});
