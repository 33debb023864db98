// Three services that tell each other what is outdated, under a steady load: through a Redis that is killed and started
// again, and over HTTP with one of them frozen. How the others answered meanwhile, and how soon all were coherent again.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { machine } from '../harness.js';
import { judge, publish } from '../report.js';
import { bundleProgram, importTypescript } from '../typescript.js';

const STEADY = Number(process.env.SECONDS ?? 10) * 1000;
/** Requests a second to each of two services, whether they answer or not; and milliseconds between two changes. */
const RATE = 250;
const CHANGE_EVERY = 20;
const TICK = 10;
const KEYS = Array.from({ length: 200 }, (_, i) => `key-${i}`);
/** Milliseconds after which all have to be coherent, and what p99 may grow to. */
const COHERENT_WITHIN = 2000;
const SLOWER_AT_MOST = 2;

const { RedisServer } = await importTypescript('test/support/redis-server.ts');
const program = await bundleProgram('test/caching/service-program.ts');

/** The cached values: a version of each key. */
const versions = new Map(KEYS.map((key) => [key, 1]));
const valueOf = (key) => `version ${versions.get(key)}`;
const origin = createServer((req, res) => res.end(valueOf(req.url.slice(1)))).listen(0, '127.0.0.1');
await once(origin, 'listening');

async function start(id, settings) {
  const argument = JSON.stringify({ id, origin: `http://127.0.0.1:${origin.address().port}`, ...settings });
  const child = fork(program, [argument]);
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`service ${id} ended with ${code}`)));
  const [port] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => undefined); // later it is ended on purpose
  return { id, child, port, pool: new Pool(`http://127.0.0.1:${port}`, { connections: 50 }) };
}

async function startAll(settings) {
  const services = await Promise.all(['a', 'b', 'c'].map((id) => start(id, settings)));
  const ports = Object.fromEntries(services.map(({ id, port }) => [id, port]));
  for (const { child } of services) {
    child.send(ports);
    await once(child, 'message');
  }
  return services;
}

async function ask({ pool }, key, method = 'GET') {
  const { statusCode, body } = await pool.request({ method, path: `/${key}` });
  return { isOk: statusCode < 300, text: await body.text() };
}

const anyKey = () => KEYS[Math.floor(Math.random() * KEYS.length)];

/** Asks these services at a steady rate for a while, one of them changing a key now and then. Latencies in milliseconds. */
async function load(services, milliseconds) {
  const latencies = [];
  let failed = 0;
  const timed = async (request) => {
    const began = performance.now();
    const isOk = await request().then(
      (answer) => answer.isOk,
      () => false,
    );
    latencies.push(performance.now() - began);
    if (!isOk) failed++;
  };
  const change = () => {
    const key = anyKey();
    versions.set(key, versions.get(key) + 1);
    return ask(services[0], key, 'POST');
  };
  const pending = [];
  for (let at = 0; at < milliseconds; at += TICK) {
    if (at % CHANGE_EVERY === 0) pending.push(timed(change));
    for (const service of services) {
      for (let i = 0; i < (RATE * TICK) / 1000; i++) pending.push(timed(() => ask(service, anyKey())));
    }
    await sleep(TICK);
  }
  await Promise.all(pending);
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.floor(latencies.length * share)];
  return { requests: latencies.length, failed, p50: at(0.5), p99: at(0.99) };
}

/** Milliseconds until every service answers every key as the origin does. */
async function untilCoherent(services) {
  const began = performance.now();
  const current = async (service, key) => {
    while ((await ask(service, key)).text !== valueOf(key)) await sleep(TICK);
  };
  await Promise.all(services.flatMap((service) => KEYS.map((key) => current(service, key))));
  return performance.now() - began;
}

/**
 * @param outage takes something away; returns what brings it back
 * @param loaded the services that are asked meanwhile
 */
async function scenario(title, services, loaded, outage) {
  try {
    for (const service of services) for (const key of KEYS) await ask(service, key);
    await load(loaded, STEADY / 2);
    const before = await load(loaded, STEADY);
    const restore = await outage();
    const during = await load(loaded, STEADY);
    await restore();
    const coherent = await untilCoherent(services);
    const cells = ({ requests, failed, p50, p99 }) => [requests, failed, p50.toFixed(1), p99.toFixed(1)];
    publish({
      title,
      settings: `${2 * RATE} requests and ${1000 / CHANGE_EVERY} changes a second for ${STEADY / 1000} s; coherent again after ${coherent.toFixed(0)} ms; ${machine()}`,
      columns: ['', 'requests', 'failed', 'p50 ms', 'p99 ms'],
      rows: Object.entries({ before, during }).map(([name, phase]) => ({ name, cells: [name, ...cells(phase)] })),
      targets: [
        judge(
          { name: 'served', least: 1, what: 'share of the requests that did not fail' },
          { served: [1 - (before.failed + during.failed) / (before.requests + during.requests)] },
        ),
        judge(
          { name: 'before', of: 'during', least: 1 / SLOWER_AT_MOST, what: `p99 before, to that meanwhile` },
          { before: [before.p99], during: [during.p99] },
        ),
        judge(
          { name: 'coherence', least: 1, what: '2 s, to the time until coherent' },
          { coherence: [COHERENT_WITHIN / coherent] },
        ),
      ],
    });
  } finally {
    for (const { child, pool } of services) {
      child.kill('SIGKILL');
      await pool.destroy();
    }
  }
}

const durable = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
const redis = await RedisServer.start(...durable);
try {
  const throughRedis = await startAll({ redisPort: redis.port });
  await scenario('Caches while Redis is away', throughRedis, throughRedis.slice(0, 2), async () => {
    await redis.kill();
    return () => redis.start(...durable);
  });
} finally {
  await redis.stop();
}
const overHttp = await startAll({});
await scenario('Caches while a peer is frozen', overHttp, overHttp.slice(0, 2), () => {
  overHttp[2].child.kill('SIGSTOP');
  return () => overHttp[2].child.kill('SIGCONT');
});
process.exit();
