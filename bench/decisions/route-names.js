// What it costs to be told which route has a request: by a wrapped method of Express' layers, or by its diagnostics channel.
import { askInRounds } from '../apart.js';
import { publishRates } from '../rates.js';
import { machine } from '../report.js';

const rounds = Number(process.env.ROUNDS ?? 9);
publishRates({
  title: 'Being told the route of a request',
  settings: `Express without a network, four middleware and a router; ${rounds} interleaved rounds, each in a process of its own; ${machine()}`,
  rates: await askInRounds({
    module: new URL('route-names-worker.js', import.meta.url).pathname,
    names: ['nobody asks', 'a wrapped layer', 'the diagnostics channel'],
    rounds,
  }),
  ours: 'a wrapped layer',
});
