/** A proxy whose only target is down for a while, beside http-proxy-middleware: `npm run test:chaos`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { testWhereBuilt } from '../support/services.js';

jest.setTimeout(120_000);

/** Milliseconds for which the target is down. */
const DOWN = 12_000;
/** Milliseconds of load before that and after it. */
const SETTLED = 4_000;
/** Requests that start together, and milliseconds between two such groups: 100 per second. */
const GROUP = 5;
const PERIOD = 50;

interface Outcome {
  readonly proxy: string;
  readonly sent: number;
  readonly failedWhileDown: number;
  readonly failedAfterwards: number;
}

/** A target that always listens on one port. */
class Target {
  #server = createServer();
  #port = 0;

  async start(): Promise<number> {
    this.#server = createServer((_req, res) => res.end('ok')).listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this.#port;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

const outcomes: Outcome[] = [];

/** Sends requests at a steady rate, regardless of their outcome, and stops the target in between. */
async function suffer(proxy: string, port: number, target: Target): Promise<Outcome> {
  const agent = new Agent({ connections: 1_000 });
  const answers: Array<Promise<void>> = [];
  let isBack = false;
  const failures = { down: 0, after: 0 };
  const ask = async (sentIn: keyof typeof failures): Promise<void> => {
    const status = await request(`http://127.0.0.1:${port}/`, { dispatcher: agent }).then(
      async ({ statusCode, body }) => (await body.dump(), statusCode),
      () => 0,
    );
    if (status !== 200) failures[sentIn]++;
  };
  const start = performance.now();
  const load = setInterval(() => {
    // On schedule: a timer of a busy process is late, and would otherwise send fewer.
    const due = GROUP * Math.floor((performance.now() - start) / PERIOD);
    while (answers.length < due) answers.push(ask(isBack ? 'after' : 'down'));
  }, PERIOD);
  await pause(SETTLED);
  await target.stop();
  await pause(DOWN);
  await target.start();
  isBack = true;
  await pause(SETTLED);
  clearInterval(load);
  await Promise.all(answers);
  await agent.close();
  return { proxy, sent: answers.length, failedWhileDown: failures.down, failedAfterwards: failures.after };
}

function print(): void {
  const rows = outcomes.map(
    ({ proxy, sent, failedWhileDown, failedAfterwards }) =>
      `| ${proxy} | ${sent} | ${failedWhileDown} | ${failedAfterwards} |`,
  );
  const head = [
    '| proxy | sent | failed while the target was down | failed after its return |',
    '| --- | --- | --- | --- |',
  ];
  process.stdout.write(`\n${[...head, ...rows].join('\n')}\n`);
}

afterAll(print);

test('proxyBalanced fails no request once its only target is back', async () => {
  const target = new Target();
  const proxy = proxyBalanced({ targets: [`http://127.0.0.1:${await target.start()}`] });
  const server: Server = createServer(compose(proxy)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const outcome = await suffer('proxyBalanced', (server.address() as AddressInfo).port, target);
  outcomes.push(outcome);
  await proxy.close();
  server.closeAllConnections();
  server.close();
  await target.stop();
  expect(outcome.failedAfterwards).toBe(0);
});

const bench = join(__dirname, '../../bench');

function isInstalled(name: string): boolean {
  try {
    createRequire(join(bench, 'package.json')).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Starts http-proxy-middleware in a process of its own, since it is an ES module that only the benchmarks install. */
async function startPeer(targetPort: number): Promise<{ child: ChildProcess; port: number }> {
  const program = `
    import { createServer } from 'node:http';
    import { createProxyMiddleware } from 'http-proxy-middleware';
    const proxy = createProxyMiddleware({ target: 'http://127.0.0.1:${targetPort}' });
    const server = createServer((req, res) => proxy(req, res, () => res.end())).listen(0, '127.0.0.1');
    server.once('listening', () => process.stdout.write(String(server.address().port)));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: bench,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: Number(port) };
}

testWhereBuilt(
  isInstalled('http-proxy-middleware') ? undefined : 'run npm install in bench/ first',
  'http-proxy-middleware',
  async () => {
    const target = new Target();
    const { child, port } = await startPeer(await target.start());
    try {
      outcomes.push(await suffer('http-proxy-middleware', port, target));
    } finally {
      child.kill();
      await once(child, 'exit');
      await target.stop();
    }
  },
);
