// The middleware as people mount them together, in front of one origin, beside what they would use instead.
import { execFileSync } from 'node:child_process';
import { compareServers, start } from '../harness.js';
import { loadByWrk } from '../wrk.js';
import { stacks } from './stacks.js';

/** The floor of tracing on the way to the instances. */
const CARRYING = 'with AsyncLocalStorage alone';
const PEERS = 'http-proxy-middleware, express-rate-limit, OpenTelemetry';

const moduleOf = (name) => new URL(name, import.meta.url).pathname;
const rounds = Number(process.env.ROUNDS ?? 5);
const seconds = Number(process.env.SECONDS ?? 2);

const origin = await start({ module: moduleOf('../routing/nginx.js'), args: ['origin'] });
const port = String(origin.port);
for (const node of (process.env.NODES ?? process.execPath).split(':')) await compareOn(node);
origin.child.kill();
process.exit();

/** One table for each executable of Node that `NODES` names, with colons between them. */
function compareOn(node) {
  const servers = Object.fromEntries(
    Object.keys(stacks).map((name) => [name, { module: moduleOf('server.js'), args: [name, port], node }]),
  );
  servers['nginx, 1 worker'] = { module: moduleOf('../routing/nginx.js'), args: ['proxy', port] };
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  return compareServers({
    title: `The whole gateway on Node ${version.slice(1)}: GETs of 1 KB that say nothing about caching`,
    servers,
    ceiling: 'proxy alone',
    ours: 'all five',
    loadServer: loadByWrk,
    rounds,
    seconds,
    warmUp: 6,
    version,
    targets: [
      { name: 'all five', of: 'proxy alone', least: 0.8, floor: CARRYING },
      { name: 'all five', of: 'http-proxy-middleware', least: 2.5, floor: 'bare undici' },
      { name: 'all five', of: 'nginx, 1 worker', least: 0.4, floor: 'bare undici' },
      { name: 'all five, Express', of: 'http-proxy-middleware', least: 1 },
      { name: 'all five', of: PEERS, least: 5, floor: 'bare undici' },
      { name: 'with trace', of: CARRYING, least: 0.97 },
      { name: 'with limit', of: 'proxy alone', least: 0.97 },
    ],
  });
}
