// Requests a second for a document that is cached: under Express and before it.
import { compareServers } from '../harness.js';
import { applications } from './applications.js';
import { httpTargets } from './targets.js';

const module = new URL('server.js', import.meta.url).pathname;

await compareServers({
  title: 'Answers from the response cache',
  servers: Object.fromEntries(Object.keys(applications).map((name) => [name, { module, args: [name] }])),
  ceiling: 'Express, raw buffer',
  ours: 'Express, ours',
  rounds: Number(process.env.ROUNDS ?? 7),
  seconds: Number(process.env.SECONDS ?? 2),
  targets: httpTargets,
});
process.exit();
