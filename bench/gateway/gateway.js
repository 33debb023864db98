// The middleware as people mount them together, in front of one origin, beside what they would use instead.
import { loadavg } from 'node:os';
import { publishServers } from '../harness.js';
import { machine } from '../report.js';
import { sampleInSlices } from '../slices.js';
import { gateways, HAPROXY, NGINX, nodes, startOrigin } from './gateways.js';
import { stacks } from './stacks.js';

/** The floor of tracing on the way to the instances. */
const CARRYING = 'with AsyncLocalStorage alone';
const PEERS = 'http-proxy-middleware, express-rate-limit, OpenTelemetry';
const CONNECTIONS = 50;
const rounds = Number(process.env.ROUNDS ?? 7);
const slices = Number(process.env.SLICES ?? 5);
const milliseconds = 200;

const origin = await startOrigin();
for (const { executable, version } of nodes) await compareOn(executable, version);
origin.child.kill();
process.exit();

async function compareOn(executable, version) {
  const samples = await sampleInSlices({
    servers: gateways([...Object.keys(stacks), NGINX, HAPROXY], origin, executable),
    workload: { connections: CONNECTIONS },
    warmUp: 5,
    rounds,
    slices,
    milliseconds,
  });
  const settings =
    `${rounds} rounds of ${slices} interleaved slices of ${milliseconds} ms, ${CONNECTIONS} connections; ` +
    `${machine(version)}; load average ${loadavg()[0].toFixed(1)}`;
  publishServers(
    `The whole gateway on Node ${version.slice(1)}: GETs of 1 KB that say nothing about caching`,
    settings,
    samples,
    {
      ceiling: 'proxy alone',
      ours: 'all five',
      targets: [
        { name: 'all five', of: 'proxy alone', least: 0.8, floor: CARRYING },
        { name: 'all five', of: 'http-proxy-middleware', least: 2.5, floor: 'bare undici' },
        { name: 'all five', of: NGINX, least: 0.4, floor: 'bare undici' },
        { name: 'all five, Express', of: 'http-proxy-middleware', least: 1 },
        { name: 'all five', of: PEERS, least: 5, floor: 'bare undici' },
        { name: 'with trace', of: CARRYING, least: 0.97 },
        { name: 'with limit', of: 'proxy alone', least: 0.97 },
      ],
    },
  );
}
