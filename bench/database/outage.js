// A database that is down for ten seconds under load: how long the event loop was ever blocked, how callers failed, and
// how soon they were served again. A PostgreSQL of its own, stopped and started.
import { ConnectionPool } from '@tooloo/resilience';
import { postgresConnections } from '@tooloo/resilience/postgres';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { machine, spread } from '../harness.js';
import { judge, publish } from '../report.js';
import { importTypescript } from '../typescript.js';

const DOWN = 10_000;
const STEADY = 3000;
const TICK = 10;
/** Callers a second, whether the database answers or not. */
const RATE = 1000;
const TIMEOUT = 1000;
/** Milliseconds that the event loop may be blocked, and that recovery may take. */
const TARGETS = { blocked: 50, recovery: 1000 };

/** Calls at a steady rate until stopped; each call's outcome with its times. */
function startLoad(pool) {
  const calls = [];
  const call = async () => {
    const began = performance.now();
    const record = (error) => calls.push({ began, ended: performance.now(), error });
    await pool.use((connection) => connection.query('SELECT 42')).then(() => record(), record);
  };
  const pending = new Set();
  const timer = setInterval(() => {
    for (let i = 0; i < (RATE * TICK) / 1000; i++) {
      const running = call().finally(() => pending.delete(running));
      pending.add(running);
    }
  }, TICK);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      return calls;
    },
  };
}

/** The event loop of a process that does nothing meanwhile: what the machine itself, busy with others, blocks. */
async function startWitness() {
  const child = fork(new URL('idle-witness.js', import.meta.url).pathname);
  await once(child, 'message');
  return {
    async stop() {
      child.send('stop');
      const [longest] = await once(child, 'message');
      child.disconnect();
      return longest;
    },
  };
}

/** Callers by how they failed, with one message of each. */
function failures(calls) {
  const kinds = new Map();
  for (const { error } of calls) {
    if (error === undefined) continue;
    const code = error.code ?? error.message;
    const kind = kinds.get(code) ?? { count: 0, message: error.message };
    kinds.set(code, { ...kind, count: kind.count + 1 });
  }
  return kinds;
}

async function outage(server, how) {
  const pool = new ConnectionPool({ factory: postgresConnections(server.url), connectionTimeout: TIMEOUT });
  await pool.initialize();
  const witness = await startWitness();
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const load = startLoad(pool);
  await sleep(STEADY);
  delays.enable();
  await server.stop(how);
  const wentDown = performance.now();
  await sleep(DOWN);
  const asked = performance.now();
  await server.start();
  const cameBack = performance.now();
  await sleep(STEADY);
  delays.disable();
  const calls = await load.stop();
  const idle = await witness.stop();
  const { poolSize, activeCount, connectFailures } = pool.getStats();
  await pool.drain();

  const served = calls.filter(({ ended, error }) => error === undefined && ended > asked);
  const waited = calls.filter(({ error }) => error?.code === 'POOL_TIMEOUT').map(({ began, ended }) => ended - began);
  return {
    how,
    calls,
    idle,
    poolSize,
    activeCount,
    connectFailures,
    blocked: delays.max / 1e6,
    typical: delays.percentile(99) / 1e6,
    down: cameBack - wentDown,
    recovery: Math.max(0, Math.min(...served.map(({ ended }) => ended)) - cameBack),
    waits: spread(waited),
  };
}

function report({ how, calls, down, blocked, typical, idle, recovery, waits, poolSize, activeCount, connectFailures }) {
  const served = calls.filter(({ error }) => error === undefined).length;
  const row = (name, milliseconds) => ({ name, cells: [name, milliseconds] });
  publish({
    title: `PostgreSQL ${how === 'kill' ? 'killed' : 'stopped'} under load, down for ${(down / 1000).toFixed(1)} s`,
    settings: `${RATE} callers a second, 10 connections, a timeout of ${TIMEOUT} ms; ${machine()}`,
    columns: ['', 'ms'],
    rows: [
      row('event loop blocked at most', blocked.toFixed(1)),
      row('the same in an idle process beside it', idle.toFixed(1)),
      row('event loop delay, p99', typical.toFixed(1)),
      row('first answer after the return', recovery.toFixed(0)),
      row('wait of the callers that timed out', `${waits.least.toFixed(0)} – ${waits.most.toFixed(0)}`),
    ],
    notes: [
      `${calls.length} callers, ${served} served, ${connectFailures} attempts to connect; a second after the return ` +
        `${poolSize} connections, ${activeCount} of them in use.`,
      [...failures(calls)].map(([code, { count, message }]) => `- ${count} × ${code}: ${message}`).join('\n'),
    ],
    targets: [
      judge(
        {
          name: 'allowed',
          of: 'blocked',
          least: 1,
          what: `${TARGETS.blocked} ms, or what an idle process had / longest block of the event loop`,
        },
        { allowed: [Math.max(TARGETS.blocked, idle)], blocked: [blocked] },
      ),
      judge(
        { name: 'allowed', of: 'recovery', least: 1, what: `${TARGETS.recovery} ms / first answer after the return` },
        { allowed: [TARGETS.recovery], recovery: [Math.max(1, recovery)] },
      ),
    ],
  });
}

const { PostgresServer } = await importTypescript('test/support/postgres-server.ts');
if (PostgresServer.unavailable !== undefined) throw new Error(PostgresServer.unavailable);
const server = await PostgresServer.create();
try {
  for (const how of ['fast', 'kill']) report(await outage(server, how));
} finally {
  await server.remove();
}
