// Requests a second through one proxy or another to one origin, and what each adds to the time of an answer.
import { compareServers, machine, spread } from '../harness.js';
import { publish } from '../report.js';
import { OpenLoad } from './open-load.js';
import { start } from './processes.js';
import { setTimeout as pass } from 'node:timers/promises';

const rounds = Number(process.env.ROUNDS ?? 5);
const seconds = Number(process.env.SECONDS ?? 2);
const LATENCY_ROUNDS = Math.min(rounds, 2);
const RATE = Number(process.env.RATE ?? 500);
const NODE = ['ours, Express', 'ours, compose', 'http-proxy-middleware', '@fastify/http-proxy', 'bare undici'];
const NGINX = 'nginx, 1 worker';

const moduleOf = (name) => new URL(name, import.meta.url).pathname;
const origin = await start('nginx.js', 'origin');
const port = String(origin.port);
const servers = Object.fromEntries(NODE.map((name) => [name, { module: moduleOf('server.js'), args: [name, port] }]));
servers[NGINX] = { module: moduleOf('nginx.js'), args: ['proxy', port] };

await compareServers({
  title: 'Proxying GETs of 1 KB to one origin',
  servers,
  ceiling: NGINX,
  ours: 'ours, compose',
  targets: [
    { name: 'ours, Express', of: 'http-proxy-middleware', least: 1.5 },
    { name: 'ours, compose', of: 'http-proxy-middleware', least: 3 },
    { name: 'ours, compose', of: NGINX, least: 0.35 },
  ],
  rounds,
  seconds,
});

/** Milliseconds to the end of an answer, at a rate far below the capacity of the proxies. */
async function latency(port) {
  const load = new OpenLoad(`http://127.0.0.1:${port}`, RATE);
  await pass(500); // connections open, code compiled
  await load.stage('measured');
  await pass(1000);
  const { latencies, failed } = await load.stop();
  if (failed > 0) throw new Error(`${failed} requests failed`);
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.floor(latencies.length * share)];
  return { p50: at(0.5), p99: at(0.99) };
}

const running = { 'the origin itself': origin };
for (const [name, { module, args }] of Object.entries(servers)) running[name] = await start(module, ...args);
const samples = Object.fromEntries(Object.keys(running).map((name) => [name, []]));
for (let round = 0; round < LATENCY_ROUNDS; round++) {
  for (const name of Object.keys(running)) samples[name].push(await latency(running[name].port));
}
const direct = samples['the origin itself'];
const of = (name, key) => spread(samples[name].map((sample) => sample[key])).median.toFixed(2);
const added = (name) => spread(samples[name].map(({ p99 }, round) => p99 - direct[round].p99)).median.toFixed(2);
publish({
  title: 'Time of an answer through a proxy',
  settings: `${LATENCY_ROUNDS} rounds of 1 s at ${RATE} requests per second, sent on schedule even if earlier ones are unanswered; ${machine()}`,
  columns: ['server', 'median ms', 'p99 ms', 'added at p99, ms'],
  rows: Object.keys(running).map((name) => ({ name, cells: [name, of(name, 'p50'), of(name, 'p99'), added(name)] })),
});

for (const { child } of Object.values(running)) child.kill();
