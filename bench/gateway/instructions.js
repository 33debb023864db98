// Processor instructions of a request, counted by valgrind. Unlike times, they hardly depend on what else the machine does, so that they
// show differences of a few percent. They contain no system call. A window in which V8 compiles, or collects all of its memory, has many
// more of them, so the figure is the first quartile of the windows.
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { Pool } from 'undici';
import { judgeMost, machine, publish, quartiles } from '../report.js';
import { nodes, startOrigin } from './gateways.js';

const ALONE = 'proxy alone';
const OURS = 'all five';
const CACHED = 'with cache';
/** The floors answer only some kinds of requests. */
const FLOORS = {
  'HTTP server of Node alone': ['GET'],
  'sockets of Node alone': ['GET', 'GET of 64 KB'],
  'bare undici': ['GET', 'GET of 64 KB'],
};
const STACKS = process.env.STACKS?.split(',') ?? [
  ...Object.keys(FLOORS),
  ALONE,
  'with trace',
  'with limit',
  CACHED,
  OURS,
];
const LIMIT = '100000000';
const CONNECTIONS = 20;
/** Gateways that are counted at the same time. */
const AT_ONCE = 2;
/** Requests until V8 has compiled what is used often. Node 24 compiles later than Node 20. */
const WARM_UP = Number(process.env.WARM_UP ?? 4000);
/** Requests in a window, and windows. */
const WINDOW = 500;
const rounds = Number(process.env.ROUNDS ?? 7);

const text = { 'content-type': 'text/plain' };
const WORKLOADS = {
  GET: { path: '/', method: 'GET' },
  'POST of 1 KB': { path: '/', method: 'POST', headers: text, body: 'a'.repeat(1024) },
  'GET of 64 KB': { path: '/large.json', method: 'GET' },
  hit: { path: '/cached.json', method: 'GET', isHit: true },
};

const origin = await startOrigin();
for (const node of nodes) await countOn(node);
origin.child.kill();
process.exit();

async function countOn({ executable, version }) {
  const counts = {};
  const left = [...STACKS];
  const countSome = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift())
      counts[name] = await countsOf(name, executable);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, countSome));
  const names = Object.keys(WORKLOADS);
  publish({
    title: `Instructions of a request on Node ${version.slice(1)}`,
    settings:
      `thousands of processor instructions; the first quartile of ${rounds} windows of ${WINDOW} requests after ${WARM_UP}, ` +
      `${CONNECTIONS} connections, under valgrind; ${machine(version)}`,
    columns: ['server', ...names],
    rows: STACKS.map((name) => ({ name, cells: [name, ...names.map((kind) => cellOf(counts[name][kind]))] })),
    targets: names.map((kind) => targetOf(kind, counts)).filter((target) => target !== undefined),
  });
}

function figureOf(windows) {
  return quartiles(windows).low;
}

function cellOf(windows) {
  return windows === undefined ? '' : figureOf(windows).toFixed(0);
}

/** At most so many times the instructions of the part alone: the reciprocal of the goal for requests per second. */
function targetOf(kind, counts) {
  const isHit = WORKLOADS[kind].isHit === true;
  const of = isHit ? CACHED : ALONE;
  const [ours, part] = [counts[OURS]?.[kind], counts[of]?.[kind]];
  if (ours === undefined || part === undefined) return undefined;
  const most = isHit ? 1 / 0.9 : 1 / 0.8;
  return judgeMost({ what: `${kind}: ${OURS} / ${of}`, most }, [figureOf(ours) / figureOf(part)]);
}

/** Thousands of instructions per request in each window, by workload. */
async function countsOf(name, node) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-callgrind-'));
  const options = ['--tool=callgrind', '--smc-check=all-non-file', `--callgrind-out-file=${join(folder, 'out')}`];
  const child = fork(new URL('server.js', import.meta.url).pathname, [name, String(origin.port), LIMIT], {
    execPath: 'valgrind',
    execArgv: [...options, node, '--single-threaded'],
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  });
  const [port] = await once(child, 'message');
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS });
  try {
    const counts = {};
    for (const [kind, { isHit = false, ...request }] of Object.entries(WORKLOADS)) {
      if (FLOORS[name]?.includes(kind) === false || (isHit && name !== OURS && name !== CACHED)) continue;
      await ask(pool, request, WARM_UP);
      counts[kind] = [];
      for (let round = 0; round < rounds; round++) {
        control('--zero', child.pid);
        await ask(pool, request, WINDOW);
        counts[kind].push((await instructionsSince(child.pid, folder)) / WINDOW / 1000);
      }
    }
    return counts;
  } finally {
    await pool.destroy();
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ask(pool, request, count) {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const { statusCode, body } = await pool.request(request);
      await body.dump({ limit: 2 ** 20 });
      if (statusCode !== 200) throw new Error(`${request.method} ${request.path} was answered with ${statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, one));
}

function control(command, pid) {
  execFileSync('callgrind_control', [command, String(pid)], { stdio: 'ignore' });
}

/** The instructions since the counters were set to zero, from the file that valgrind writes when it next looks for commands. */
async function instructionsSince(pid, folder) {
  const earlier = new Set(readdirSync(folder));
  control('--dump', pid);
  for (;;) {
    for (const name of readdirSync(folder).filter((one) => !earlier.has(one))) {
      const [, total] = /^(?:summary|totals): (\d+)/m.exec(readFileSync(join(folder, name), 'utf8')) ?? [];
      if (total !== undefined) return Number(total);
    }
    await pass(100);
  }
}
