// Requests a second under Express: untraced, with nothing but a storage that is carried along, ours sampling none, a tenth
// and all, ours carried by cls-hooked, and OpenTelemetry.
import { compareServers } from '../harness.js';
import { tracers } from './tracers.js';

const module = new URL('server.js', import.meta.url).pathname;

/** Compares all of them on one route; a target names one, and its least share of the untraced requests a second. */
export function compareTracers({ title, path, targets }) {
  return compareServers({
    title,
    servers: Object.fromEntries(Object.keys(tracers).map((name) => [name, { module, args: [name] }])),
    ceiling: 'none',
    ours: 'ours, 10 %',
    path,
    targets: Object.entries(targets).map(([name, least]) => ({ name, of: 'none', least })),
    rounds: Number(process.env.ROUNDS ?? 13),
    seconds: Number(process.env.SECONDS ?? 1),
  });
}
