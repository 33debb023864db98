// Gateways under other requests than small GETs: one column for each kind of request, one row for each gateway.
import { judge, publish, spread, whole } from '../report.js';
import { sampleInSlices, settingsOf } from '../slices.js';
import { gateways, GUARDED_NGINX, HAPROXY, NGINX, nodes, PEERS, startOrigin } from './gateways.js';

const OURS = 'all five';
const LIMITED = ['with limit', OURS, 'all five, Express', 'all five, Express 4', PEERS, GUARDED_NGINX];
const CACHED = ['with cache', OURS, 'all five, Express', 'all five, Express 4', GUARDED_NGINX];
const PASSING = [
  'proxy alone',
  OURS,
  'all five, Express',
  'all five, Express 4',
  'http-proxy-middleware',
  '@fastify/http-proxy',
  PEERS,
  'bare undici',
  NGINX,
  GUARDED_NGINX,
  HAPROXY,
];
const CONNECTIONS = 50;
const rounds = Number(process.env.ROUNDS ?? 3);
const slices = Number(process.env.SLICES ?? 12);
const milliseconds = 200;
const pathOf = (name) => new URL(name, import.meta.url).pathname;

const origin = await startOrigin();
const cached = await fetch(`http://127.0.0.1:${origin.port}/cached.json`);
await cached.arrayBuffer();

/** By name of the column. Every answer has `status`; `limit` is the number of requests that a client may send each second. */
const WORKLOADS = {
  'GET of 64 KB': { servers: PASSING, path: '/large.json', status: 200 },
  'POST of 1 KB': { servers: PASSING, method: 'POST', script: pathOf('post.lua'), status: 200 },
  // @fastify/http-proxy passes the `Connection: keep-alive` of the origin on here, so that the client asks again on a connection that ends.
  'new connections': { servers: PASSING, headers: { Connection: 'close' }, status: 200 },
  '1,000 connections': { servers: PASSING, connections: 1000, status: 200 },
  miss: { servers: CACHED, path: '/cached.json', script: pathOf('miss.lua'), status: 200 },
  hit: { servers: CACHED, path: '/cached.json', status: 200 },
  'hit, not modified': {
    servers: CACHED,
    path: '/cached.json',
    headers: { 'If-None-Match': cached.headers.get('etag') },
    status: 304,
  },
  refused: { servers: LIMITED, limit: 1, status: 429 },
};

const chosen = process.env.WORKLOADS?.split(';') ?? Object.keys(WORKLOADS);

for (const { executable, version } of nodes) await compareOn(executable, version);
origin.child.kill();
process.exit();

async function compareOn(executable, version) {
  const columns = {};
  for (const name of chosen) columns[name] = await samplesOf(WORKLOADS[name], executable);

  const all = new Set(Object.values(columns).flatMap((samples) => Object.keys(samples)));
  publish({
    title: `The whole gateway on Node ${version.slice(1)}: other requests`,
    settings:
      'requests a second, and µs of processor time for each; ' +
      settingsOf({
        rounds,
        slices,
        milliseconds,
        connections: `${CONNECTIONS} connections where not said otherwise`,
        version,
      }),
    columns: ['server', ...Object.keys(columns)],
    rows: [...all].map((name) => ({
      name,
      cells: [name, ...Object.entries(columns).map(([column, samples]) => cellOf(samples[name], WORKLOADS[column]))],
    })),
    targets:
      columns.hit === undefined
        ? []
        : [
            judge(
              { what: 'a hit: all five / with cache', name: OURS, of: 'with cache', least: 0.9 },
              ratesOf(columns.hit),
            ),
          ],
  });
}

async function samplesOf({ servers, status, limit, ...workload }, executable) {
  const answers = (port) => expectStatus(`http://127.0.0.1:${port}${workload.path ?? '/'}`, workload, status);
  const samples = await sampleInSlices({
    servers: gateways(servers, origin, executable, limit),
    workload: { connections: CONNECTIONS, ...workload },
    check: answers,
    warmUp: 5,
    rounds,
    slices,
    milliseconds,
  });
  return samples;
}

/**
 * The third answer has the status: the first ones, which are asked for without conditions, fill the cache, or take what the limit admits.
 */
async function expectStatus(url, { headers, method = 'GET' }, status) {
  const ask = (fields) => fetch(url, { method, headers: fields, ...(method === 'POST' && { body: 'a'.repeat(1024) }) });
  for (const isLast of [false, false, true]) {
    const response = await ask(isLast ? headers : {});
    await response.arrayBuffer();
    if (isLast && response.status !== status) throw new Error(`${url} answers ${response.status}, not ${status}`);
  }
}

function ratesOf(samples) {
  return Object.fromEntries(Object.entries(samples).map(([name, rows]) => [name, rows.map(({ rate }) => rate)]));
}

function cellOf(samples, { status }) {
  if (samples === undefined) return '';
  const sum = (key) => samples.reduce((total, sample) => total + sample[key], 0);
  const [failed, refused] = [sum('failed'), sum('refused')];
  if (failed > 0 || (refused > 0 && status < 400)) return `failed ${whole(failed + refused)} times`;
  const median = (key) => spread(samples.map((sample) => sample[key])).median;
  return `${whole(median('rate'))}, ${median('cost').toFixed(0)} µs`;
}
