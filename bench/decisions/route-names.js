// Measures what it costs to learn the route of a request: from a wrapped method of Express' layers, or from its
// diagnostics channel.
import { askInRounds } from '../apart.js';
import { publishRates } from '../rates.js';
import { machine } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 9);
publishRates({
  title: 'Learning the route of a request',
  settings: `Express without a network, four middleware and a router; ${rounds} interleaved rounds, each in its own process; ${machine()}`,
  rates: await askInRounds({
    module: new URL('route-names-worker.js', import.meta.url).pathname,
    names: ['no observer', 'a wrapped layer', 'the diagnostics channel'],
    rounds,
  }),
  ours: 'a wrapped layer',
});
