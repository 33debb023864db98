// The middleware as people mount them together, in front of one origin: what each of them adds, and what they would use instead.
import { publishServers } from '../harness.js';
import { sampleInSlices, settingsOf } from '../slices.js';
import { gateways, HAPROXY, NGINX, nodes, PEERS, startOrigin } from './gateways.js';

const OURS = 'all five';
const CEILING = 'proxy alone';
const UNDER_EXPRESS = 'all five, Express';
/** The floor of tracing on the way to the instances. */
const CARRYING = 'with AsyncLocalStorage alone';
/** The floor of a proxy in Node. */
const UNDICI = 'bare undici';
const HPM = 'http-proxy-middleware';
const CONNECTIONS = 50;
const WORKLOAD = 'GETs of 1 KB that say nothing about caching';
/** Seconds. All five need some 20,000 requests until V8 has compiled what they run, and a slow machine takes its time for them. */
const WARM_UP = 6;
const rounds = Number(process.env.ROUNDS ?? 5);
const slices = Number(process.env.SLICES ?? 16);
const milliseconds = 200;

const PARTS = {
  title: (node) => `The parts of the gateway on ${node}: ${WORKLOAD}`,
  names: [
    CEILING,
    CARRYING,
    'with trace',
    'with health',
    'with limit',
    'with cache',
    'with limit and cache',
    'with trace and limit',
    'with trace and cache',
    OURS,
  ],
  targets: [
    { name: OURS, of: CEILING, least: 0.8 },
    { name: 'with trace', of: CARRYING, least: 0.97 },
    { name: 'with limit', of: CEILING, least: 0.97 },
  ],
};

const WHOLE = {
  title: (node) => `The whole gateway on ${node}: ${WORKLOAD}`,
  names: [
    CEILING,
    OURS,
    UNDER_EXPRESS,
    'all five, Express 4',
    'proxy alone, Express',
    HPM,
    '@fastify/http-proxy',
    PEERS,
    UNDICI,
    'sockets of Node alone',
    'HTTP server of Node alone',
    NGINX,
    HAPROXY,
  ],
  targets: [
    { name: OURS, of: HPM, least: 2.5, floor: UNDICI },
    { name: OURS, of: NGINX, least: 0.4, floor: UNDICI },
    { name: UNDER_EXPRESS, of: HPM, least: 1 },
    { name: OURS, of: PEERS, least: 5, floor: UNDICI },
  ],
};

const origin = await startOrigin();
for (const node of nodes) for (const comparison of [PARTS, WHOLE]) await compare(comparison, node);
origin.child.kill();
process.exit();

async function compare({ title, names, targets }, { executable, version }) {
  const samples = await sampleInSlices({
    servers: gateways(names, origin, executable),
    workload: { connections: CONNECTIONS },
    warmUp: WARM_UP,
    rounds,
    slices,
    milliseconds,
  });
  const settings = settingsOf({ rounds, slices, milliseconds, connections: `${CONNECTIONS} connections`, version });
  publishServers(title(`Node ${version.slice(1)}`), settings, samples, { ceiling: CEILING, ours: OURS, targets });
}
