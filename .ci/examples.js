// Starts every example from the packed package, asks it what its README asks, and stops it by SIGTERM.
//   npm run test:examples [name …]      after `npm run build`
// They share one installation. An example whose packages cannot be had, or whose servers do not run here, is skipped with the
// reason; with CI_REQUIRE_SERVICES=1 a server that does not run fails.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProject, pack } from './consumers/npm.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'examples');

/** The requests to each example: the path, a text in the response, and header fields to send. */
const CHECKS = {
  'express-app': [
    { path: '/', expect: 'Visits: 1' },
    { path: '/products', expect: 'boots' },
    { path: '/products', field: ['cache-status', 'hit'] },
  ],
  'rest-api-postgres-redis': [{ path: '/products/7', expect: '"id":"7"' }],
  gateway: [
    { path: '/orders/1', expect: '"service":"orders"' },
    { path: '/stock', expect: '"path":"/"' },
    { path: '/users/ada', expect: '"path":"/ada"' },
  ],
  nestjs: [{ path: '/cats', expect: 'Felix' }],
  graphql: [
    { path: '/graphql?query={hello}', expect: 'world' },
    { path: '/graphql?query={hello}', field: ['cache-status', 'hit'] },
    { path: '/graphql?query={book(id:1){id,title}}', field: ['ratelimit', 'r='] },
  ],
  'behind-nginx': [{ path: '/', headers: { 'X-Forwarded-For': '198.51.100.7' }, expect: '198.51.100.7' }],
  kubernetes: [{ path: '/startupz', expect: 'pass' }],
  'typescript-strict': [{ path: '/', expect: 'strict' }],
  'multi-tenant-limits': [
    { path: '/', headers: { 'X-Tenant': 'acme' }, expect: 'acme' },
    { path: '/export', headers: { 'X-Tenant': 'umbrella' }, status: 429 },
  ],
};

/** Examples that are not started, and why. */
const SKIPPED = { 'nextjs-custom-server': 'Next and its compiler are 300 MB' };

/** The servers that an example needs, by their ports. */
const SERVICES = { 'rest-api-postgres-redis': [5432, 6379] };

const START_TIME = 60_000;
const STOP_TIME = 40_000;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(!socket.destroy().connecting));
    socket.once('error', () => resolve(false));
  });
}

/** Settles with true once the server is ready, and with false when the program has ended or the time is up. */
async function isReady(url, child) {
  const end = performance.now() + START_TIME;
  while (performance.now() < end && child.exitCode === null) {
    const response = await fetch(new URL('/readyz', url)).catch(() => undefined);
    if (response?.status === 200) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** The fault in the response; undefined if it is right. */
async function faultOf(url, { path, headers, status = 200, expect = '', field }) {
  const response = await fetch(new URL(path, url), { headers });
  const text = await response.text();
  if (response.status !== status) return `GET ${path} is ${response.status}: ${text}`;
  if (!text.includes(expect)) return `GET ${path} lacks '${expect}': ${text}`;
  if (field !== undefined && !response.headers.get(field[0])?.includes(field[1])) {
    return `GET ${path}: ${field[0]} is '${response.headers.get(field[0])}'`;
  }
  return undefined;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined;
  const ended = new Promise((resolve) => child.once('exit', () => resolve(true)));
  child.kill('SIGTERM');
  const late = new Promise((resolve) => setTimeout(resolve, STOP_TIME, false).unref());
  if (await Promise.race([ended, late])) return undefined;
  child.kill('SIGKILL');
  return 'does not stop after SIGTERM';
}

/** Runs the commands of `npm start` one after the other; the last one is the server. */
async function run(folder, modules, port) {
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const commands = scripts.start.split(' && ');
  const DATABASE_URL = process.env.DATABASE_URL ?? `postgres://${userInfo().username}@127.0.0.1:5432/test`;
  const env = {
    ...process.env,
    DATABASE_URL,
    PORT: String(port),
    PATH: `${join(modules, '.bin')}:${process.env.PATH}`,
  };
  const start = (command) => {
    const [program, ...args] = command.split(' ');
    return spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] });
  };
  for (const command of commands.slice(0, -1)) {
    const code = await new Promise((resolve) => start(command).once('exit', resolve));
    if (code !== 0) throw new Error(`'${command}' ended with ${code}`);
  }
  return start(commands.at(-1));
}

async function check(name, folder, modules) {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = await run(folder, modules, new URL(url).port);
  try {
    if (!(await isReady(url, child))) return 'does not get ready';
    for (const one of CHECKS[name]) {
      const fault = await faultOf(url, one);
      if (fault !== undefined) return fault;
    }
    return await stop(child);
  } finally {
    await stop(child);
  }
}

/** Why it cannot run here; undefined where it can. */
async function obstacle(name) {
  if (name in SKIPPED) return SKIPPED[name];
  for (const port of SERVICES[name] ?? []) {
    if (!(await isListening(port))) return `nothing listens on port ${port}`;
  }
  return undefined;
}

function dependenciesOf(names) {
  const all = names.map((name) => JSON.parse(readFileSync(join(source, name, 'package.json'), 'utf8')).dependencies);
  const others = Object.entries(Object.assign({}, ...all)).filter(([name]) => name !== '@tooloo/resilience');
  return others.map(([name, version]) => `${name}@${version}`);
}

async function main(folder) {
  const wanted = process.argv.slice(2);
  const names = readdirSync(source).filter((name) => wanted.length === 0 || wanted.includes(name));
  const present = names.filter((name) => !(name in SKIPPED));
  const missing = names.filter((name) => !(name in SKIPPED) && !(name in CHECKS));
  if (missing.length > 0) throw new Error(`no check for ${missing.join(', ')}`);
  await createProject(folder, process.execPath, [await pack(folder), ...dependenciesOf(present), '--ignore-scripts']);
  let failures = 0;
  for (const name of names) {
    const reason = await obstacle(name);
    const mayNotSkip = reason !== undefined && !(name in SKIPPED) && process.env.CI_REQUIRE_SERVICES === '1';
    let fault = mayNotSkip ? reason : undefined;
    if (reason === undefined) {
      const copy = join(folder, name);
      cpSync(join(source, name), copy, { recursive: true });
      fault = await check(name, copy, join(folder, 'node_modules')).catch((error) => error.message);
    }
    if (fault !== undefined) failures++;
    console.log(
      `${fault === undefined ? (reason === undefined ? 'ok  ' : 'skip') : 'FAIL'}  ${name}  ${fault ?? reason ?? ''}`,
    );
  }
  return failures;
}

const folder = mkdtempSync(join(tmpdir(), 'examples-'));
writeFileSync(join(folder, '.npmrc'), 'fund=false\n');
try {
  process.exitCode = (await main(folder)) === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
