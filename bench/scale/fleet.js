// How long `npm start` takes until all services of the fleet are ready, and how much memory each of them has while it is
// idle. The fleet that was built is started on free ports, with an empty data folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { judgeMost, machine, publish, spread } from '../report.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SERVICES = ['web', 'training', 'meta', 'budget', 'coach', 'segmentation', 'reports', 'capabilities'];
const ORCHESTRATOR = 'orchestrator';
/** Milliseconds without a call before the memory is read: the collector has run, and checks of health go on. */
const IDLE = 10_000;
const LONGEST_START = 60_000;
const LONGEST_STOP = 30_000;
const MOST = { start: 2_000, Rss: 90, Pss: 60 };

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** The instances, or none while the orchestrator does not listen yet. */
async function instancesAt(url) {
  try {
    const response = await fetch(`${url}/api/v1/system/instances`);
    return (await response.json()).instances;
  } catch {
    return [];
  }
}

async function whenReady(url) {
  for (const end = performance.now() + LONGEST_START; performance.now() < end; await pause(10)) {
    const ready = (await instancesAt(url)).filter(({ state }) => state === 'ready');
    if (SERVICES.every((name) => ready.some(({ service }) => service === name))) return ready;
  }
  throw new Error(`the fleet was not ready within ${LONGEST_START} ms`);
}

/** The orchestrator is the parent of its services. */
const parentOf = (pid) => Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/** Megabytes of a process, as the system counts them. Pss divides pages that processes share among them. */
function memoryOf(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]) / 1024;
  return { Rss: megabytes('Rss'), Pss: megabytes('Pss') };
}

async function measure() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-fleet-'));
  const port = await freePort();
  const ports = Object.fromEntries(SERVICES.map((name) => [`${name.toUpperCase()}_PORT`, '0']));
  const env = { ...process.env, ...ports, ORCHESTRATOR_PORT: String(port), DATA_DIR: folder, CONTROL: 'loopback' };
  const began = performance.now();
  const npm = spawn('npm', ['start'], { cwd: ROOT, env, stdio: 'ignore', detached: true });
  const ended = once(npm, 'exit');
  try {
    const early = ended.then(([code]) => Promise.reject(new Error(`npm start ended with ${code}`)));
    early.catch(() => undefined);
    const ready = await Promise.race([whenReady(`http://127.0.0.1:${port}`), early]);
    const start = performance.now() - began;
    if (process.platform !== 'linux') return { start };
    await pause(IDLE);
    const memory = Object.fromEntries(ready.map(({ service, pid }) => [service, memoryOf(pid)]));
    return { start, memory: { ...memory, [ORCHESTRATOR]: memoryOf(parentOf(ready[0].pid)) } };
  } finally {
    process.kill(-npm.pid, 'SIGINT'); // npm and what it started, as Ctrl-C does
    await Promise.race([ended, pause(LONGEST_STOP, undefined, { ref: false })]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const samples = [];
for (let round = 0; round < ROUNDS; round++) samples.push(await measure());

const shown = ({ median, least, most }, digits) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)} – ${most.toFixed(digits)})`;
const starts = samples.map(({ start }) => start);
publish({
  title: 'Start of the fleet',
  settings: `median of ${ROUNDS} starts with an empty data folder; ${machine()}`,
  columns: ['', 'ms until all services are ready'],
  rows: [{ name: 'npm start', cells: ['npm start', shown(spread(starts), 0)] }],
  targets: [judgeMost({ what: 'npm start, ms until all services are ready', most: MOST.start }, starts)],
});

const memories = samples.flatMap(({ memory }) => memory ?? []);
if (memories.length > 0) {
  const of = (name, kind) => memories.map((memory) => memory[name][kind]);
  const judged = (kind) =>
    judgeMost(
      { what: `the largest service, ${kind} in MB`, most: MOST[kind] },
      memories.map((memory) => Math.max(...Object.values(memory).map((one) => one[kind]))),
    );
  publish({
    title: 'Memory of idle services',
    settings: `${IDLE / 1000} s after the start, by smaps_rollup; median of ${ROUNDS} starts; ${machine()}`,
    columns: ['service', 'Rss, MB', 'Pss, MB'],
    rows: [ORCHESTRATOR, ...SERVICES].map((name) => ({
      name,
      cells: [name, shown(spread(of(name, 'Rss')), 0), shown(spread(of(name, 'Pss')), 0)],
    })),
    targets: [judged('Rss'), judged('Pss')],
  });
}
process.exit(); // connections to a fleet that is gone may still be open
