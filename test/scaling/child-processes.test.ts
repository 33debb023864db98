import { createServer } from 'node:net';
import { childProcesses, type ChildProcessesOptions } from '../../src/scaling/child-processes.js';
import type { ScalingDriver } from '../../src/scaling/driver.js';

const SPEC = { service: 'demo', id: 'demo-1', port: 0 };

/** An instance that listens, reports its port and ends on SIGTERM. */
const WELL_BEHAVED = `
  const server = require('node:http').createServer((req, res) => res.end('hello from ' + process.pid));
  server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send({ type: 'ready', port: server.address().port }));
  console.log('started'); console.error('warned');
  process.on('SIGTERM', () => { server.close(); process.disconnect(); });
`;

const drivers: ScalingDriver[] = [];

function driverOf(script: string, options: Partial<ChildProcessesOptions> = {}): ScalingDriver {
  const driver = childProcesses({
    command: ({ port }) => ({ args: ['-e', script], env: { PORT: String(port) } }),
    ...options,
  });
  drivers.push(driver);
  return driver;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.close()));
});

test('the output of an instance arrives line by line, with the name of its stream', async () => {
  const lines: string[] = [];
  const driver = driverOf(WELL_BEHAVED, { onLine: (line, { id }, stream) => lines.push(`${id} ${stream} ${line}`) });
  await driver.stop(await driver.start(SPEC));
  expect(lines.sort()).toEqual(['demo-1 stderr warned', 'demo-1 stdout started']);
});

test('an instance that exits before it is ready rejects the start with its exit', async () => {
  await expect(driverOf('process.exit(3)').start(SPEC)).rejects.toMatchObject({
    code: 'START_FAILED',
    message: 'demo-1: ended with code 3',
    extensions: { permanent: false },
  });
});

test('an instance can report why it failed, and that a retry is useless', async () => {
  const script = `process.send({ type: 'failed', message: 'port 1 is taken' }, () => process.exit(78))`;
  await expect(driverOf(script).start(SPEC)).rejects.toMatchObject({
    message: 'demo-1: port 1 is taken',
    extensions: { permanent: true },
  });
});

test('an instance that never becomes ready is stopped, and leaves no process', async () => {
  const lines: string[] = [];
  const script = `console.log(process.pid); setInterval(() => {}, 1000)`;
  const driver = driverOf(script, { readyTimeout: 300, onLine: (line) => lines.push(line) });
  await expect(driver.start(SPEC)).rejects.toThrow('demo-1: was not ready after 300 ms');
  for (const pid of lines.map(Number)) expect(isAlive(pid)).toBe(false);
});

test('a program that does not exist is a permanent failure', async () => {
  const driver = driverOf('', { command: () => ({ file: '/nonexistent/program', args: [] }) });
  await expect(driver.start(SPEC)).rejects.toMatchObject({ code: 'START_FAILED', extensions: { permanent: true } });
});

test('an instance listens on the port assigned to it', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  const instance = await driverOf(WELL_BEHAVED).start({ ...SPEC, port });
  expect(instance.port).toBe(port);
});
