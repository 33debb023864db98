// The gateways as servers to start, in front of one origin, on one Node.
import { execFileSync } from 'node:child_process';
import { start } from '../harness.js';
import { moveToClients } from '../processors.js';

const moduleOf = (name) => new URL(name, import.meta.url).pathname;

/** So many requests a second that none is refused. */
const ALL = 100_000_000;

/** The proxy, limiter and tracer that a user of Express would mount. */
export const PEERS = 'http-proxy-middleware, express-rate-limit, OpenTelemetry';
export const NGINX = 'nginx, 1 worker';
export const GUARDED_NGINX = 'nginx, 1 worker, limit_req and proxy_cache';
export const HAPROXY = 'HAProxy, 1 thread';

/** Starts what answers the gateways, and moves this process and the clients that it will start to the same processors. */
export function startOrigin() {
  moveToClients();
  return start({ module: moduleOf('../routing/nginx.js'), args: ['origin'] });
}

/** The executables of Node to measure on: those that `NODES` names, with colons between them. */
export const nodes = (process.env.NODES ?? process.execPath).split(':').map((executable) => ({
  executable,
  version: execFileSync(executable, ['--version'], { encoding: 'utf8' }).trim(),
}));

/**
 * The gateways of these names, as `sampleInSlices` starts them.
 *
 * @param limit requests a second that a client may send
 */
export function gateways(names, origin, node, limit = ALL) {
  const port = String(origin.port);
  const native = {
    [NGINX]: { module: moduleOf('../routing/nginx.js'), args: ['proxy', port] },
    [GUARDED_NGINX]: { module: moduleOf('../routing/nginx.js'), args: ['guarded', port, String(limit)] },
    [HAPROXY]: { module: moduleOf('haproxy.js'), args: [port] },
  };
  const one = (name) => native[name] ?? { module: moduleOf('server.js'), args: [name, port, String(limit)], node };
  return Object.fromEntries(names.map((name) => [name, { ...one(name), place: 'servers' }]));
}
