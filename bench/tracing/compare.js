// Requests per second under Express: untraced; with an AsyncLocalStorage alone; with `trace` sampling none, a tenth or
// all of the requests; with `trace` on cls-hooked; and with OpenTelemetry.
import { compareServers } from '../harness.js';
import { tracers } from './tracers.js';

const module = new URL('server.js', import.meta.url).pathname;

/** Compares all of them on one route; a target names one, and its least share of the untraced requests a second. */
export function compareTracers({ title, path, targets }) {
  return compareServers({
    title,
    servers: Object.fromEntries(Object.keys(tracers).map((name) => [name, { module, args: [name] }])),
    ceiling: 'none',
    ours: 'trace, 10 %',
    path,
    targets: Object.entries(targets).map(([name, least]) => ({ name, of: 'none', least })),
    rounds: Number(process.env.ROUNDS ?? 13),
    seconds: Number(process.env.SECONDS ?? 1),
  });
}
