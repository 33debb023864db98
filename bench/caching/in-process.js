// The same without a network: what the cache itself costs, measured more closely than over sockets, where the client and the
// system take most of the time.
import { microbenchmark } from '../harness.js';
import { serve } from '../in-process.js';
import { applications } from './applications.js';
import { httpTargets } from './targets.js';

const functions = Object.fromEntries(
  Object.entries(applications).map(([name, make]) => {
    const listener = make();
    return [
      name,
      async (n) => {
        for (let i = 0; i < n; i++) await serve(listener);
      },
    ];
  }),
);

await microbenchmark({
  title: 'Answers from the response cache, without a network',
  functions,
  ours: 'Express, ours',
  quietest: true,
  rounds: Number(process.env.ROUNDS ?? 11),
  milliseconds: 300,
  batch: 50,
  targets: httpTargets,
});
process.exit();
