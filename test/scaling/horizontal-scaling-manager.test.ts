/** The manager with real processes: how it starts, migrates, replaces and stops instances. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HorizontalScalingManager } from '../../src/scaling/horizontal-scaling-manager.js';
import type { HorizontalScalingManagerOptions } from '../../src/scaling/manager-options.js';
import { HealthMonitor } from '../../src/health/health-monitor.js';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { IntelligentRouter } from '../../src/routing/intelligent-router.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { until } from '../support/eventually.js';
import { isAlive } from '../support/fleet.js';
import { scriptedDriver, type Behaviour } from '../support/scaling-instances.js';

jest.setTimeout(40_000);

const managers: HorizontalScalingManager[] = [];
const servers: Server[] = [];
/** How instances behave, by name; all others serve. */
let behaviour: Record<string, Behaviour>;

beforeEach(() => {
  behaviour = {};
});

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.shutdown()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

function create(options: HorizontalScalingManagerOptions = {}): HorizontalScalingManager {
  const manager = new HorizontalScalingManager({
    driver: scriptedDriver(({ id }) => behaviour[id] ?? 'serves', { readyTimeout: 10_000, stopTimeout: 5_000 }),
    services: { demo: { min: 1, max: 4 } },
    ...options,
  });
  managers.push(manager);
  return manager;
}

const states = (manager: HorizontalScalingManager): string[] =>
  manager.getInstanceDetails('demo').map(({ id, state }) => `${id} ${state}`);

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The first of several free ports, ten apart, below the ephemeral range of operating systems. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const held = Array.from({ length: count }, () => createServer());
    const isFree = await Promise.all(
      held.map(
        (server, i) =>
          new Promise<boolean>((resolve) => {
            server.once('error', () => resolve(false));
            server.listen(first + i * 10, '127.0.0.1', () => resolve(true));
          }),
      ),
    );
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
    if (isFree.every(Boolean)) return first;
  }
}

test('instances are started on ports ten apart, and the newest is stopped first', async () => {
  const port = await freePorts(3);
  const manager = create({ services: { demo: { port, max: 3 } } });
  const up = await manager.scaleUp('demo', 3, { reason: 'a test' });
  expect(up).toMatchObject({ from: 0, to: 3, shortfall: null });
  expect(manager.getInstanceDetails('demo').map((one) => one.port)).toEqual([port, port + 10, port + 20]);
  for (const { id, port: at } of manager.getInstanceDetails()) {
    const answer = await (await fetch(`http://127.0.0.1:${at}/who`)).json();
    expect(answer).toMatchObject({ id });
  }
  const down = await manager.scaleDown('demo', 1);
  expect(down.removed.map(({ id }) => id)).toEqual(['demo-3']);
  expect(manager.getInstanceCount('demo')).toBe(2);
  expect(manager.getScalingHistory().map(({ event, from, to, reason }) => [event, from, to, reason])).toEqual([
    ['SCALE_DOWN', 3, 2, null],
    ['SCALE_UP', 0, 3, 'a test'],
  ]);
});

test('the port of a stopped instance is reused by the next one', async () => {
  const port = await freePorts(2);
  const manager = create({ services: { demo: { port, max: 2 } } });
  await manager.scaleUp('demo', 2);
  await manager.scaleDown('demo');
  await manager.scaleUp('demo');
  expect(manager.getInstanceDetails('demo').map((one) => one.port)).toEqual([port, port + 10]);
});

test('a port that another program uses is skipped', async () => {
  const port = await freePorts(3);
  const stranger = createServer();
  servers.push(stranger);
  await new Promise<void>((resolve) => stranger.listen(port + 10, '127.0.0.1', resolve));
  const manager = create({ services: { demo: { port, max: 3 } } });
  await manager.scaleUp('demo');
  expect(await manager.scaleUp('demo')).toMatchObject({ from: 1, to: 2, shortfall: null });
  expect(manager.getInstanceDetails('demo').map((one) => one.port)).toEqual([port, port + 20]);
});

test('scaling stays within the bounds, and the result reports the shortfall', async () => {
  const manager = create({ services: { demo: { min: 1, max: 2 } } });
  expect(await manager.scaleUp('demo', 5)).toMatchObject({ to: 2, shortfall: 'the maximum is 2' });
  await expect(manager.scaleUp('demo')).rejects.toMatchObject({ code: 'CONFLICT', status: 409 });
  expect(await manager.scaleDown('demo', 5)).toMatchObject({ to: 1, shortfall: 'the minimum is 1' });
  await expect(manager.scaleDown('demo')).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(manager.scaleUp('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('concurrent contradictory commands are executed in order, and each returns its own result', async () => {
  const manager = create();
  await manager.scaleUp('demo', 2);
  const outcomes = await Promise.all([
    manager.scaleUp('demo', 2),
    manager.scaleDown('demo', 3),
    manager.scaleUp('demo', 1),
    manager.scaleDown('demo', 1),
  ]);
  expect(outcomes.map(({ from, to }) => [from, to])).toEqual([
    [2, 4],
    [4, 1],
    [1, 2],
    [2, 1],
  ]);
  expect(states(manager)).toEqual(['demo-1 ready']);
});

test('a stop cancels the commands before it', async () => {
  behaviour = { 'demo-2': 'silent' };
  const manager = create();
  await manager.startService('demo');
  const growing = manager.scaleUp('demo');
  const waiting = manager.scaleUp('demo', 2);
  await until(() => states(manager).includes('demo-2 starting'));
  const stopped = manager.stopService('demo');
  await expect(growing).rejects.toMatchObject({ code: 'START_FAILED' });
  await expect(waiting).rejects.toMatchObject({
    code: 'CONFLICT',
    message: 'cancelled: a stop was requested after it',
  });
  await stopped;
  expect(states(manager)).toEqual(['demo-1 stopped']);
  await manager.startService('demo');
  expect(states(manager)).toEqual(['demo-1 ready']);
});

test('an instance that never becomes ready leaves nothing behind', async () => {
  behaviour = { 'demo-2': 'silent' };
  const clock = new FakeClock();
  const driver = scriptedDriver(({ id }) => behaviour[id] ?? 'serves', { clock, readyTimeout: 20_000 });
  const manager = create({ driver });
  await manager.startService('demo');
  const failing = manager.scaleUp('demo').catch((error: unknown) => error);
  await until(() => states(manager).includes('demo-2 starting'));
  clock.tick(20_000);
  expect(await failing).toMatchObject({ code: 'START_FAILED', message: 'demo-2: was not ready after 20000 ms' });
  expect(states(manager)).toEqual(['demo-1 ready']);
  expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'SCALE_UP', outcome: 'failed', from: 1, to: 1 });
});

test('a partial start is reported with the reason of its shortfall', async () => {
  behaviour = { 'demo-1': 'silent' };
  const clock = new FakeClock();
  const driver = scriptedDriver(({ id }) => behaviour[id] ?? 'serves', { clock, readyTimeout: 20_000 });
  const manager = create({ driver });
  const growing = manager.scaleUp('demo', 2);
  await until(() => states(manager).includes('demo-2 ready'));
  clock.tick(20_000);
  expect(await growing).toMatchObject({ to: 1, shortfall: 'demo-1: was not ready after 20000 ms' });
  expect(states(manager)).toEqual(['demo-2 ready']);
});

test('an instance that is killed is restarted, and the router is updated both times', async () => {
  const router = new IntelligentRouter();
  const manager = create({ router, restart: { initialDelay: 10 } });
  await manager.scaleUp('demo');
  const [before] = manager.getInstanceDetails('demo');
  process.kill(before!.pid!, 'SIGKILL');
  await until(() => router.size('demo') === 0);
  await until(() => router.size('demo') === 1);
  const [after] = manager.getInstanceDetails('demo');
  expect(after).toMatchObject({ id: 'demo-1', state: 'ready', restarts: 1 });
  expect(router.getHealthyTargets('demo').map(({ port }) => port)).toEqual([after!.port]);
  expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'CRASH', error: 'demo-1: was ended by SIGKILL' });
  router.close();
});

test('a crash loop is reported and ends; scaling starts the instance again', async () => {
  behaviour = { 'demo-1': 'crashes' };
  const manager = create({ restart: { initialDelay: 1, maxDelay: 2, maxFailures: 3 } });
  await manager.startService('demo');
  await until(() => manager.getInstanceDetails('demo')[0]?.state === 'failed');
  expect(manager.getInstanceCount('demo')).toBe(0);
  expect(manager.getScalingHistory()[0]).toMatchObject({
    event: 'CRASH_LOOP',
    error: expect.stringContaining('3 failures in 60 s, not started again'),
  });
  behaviour = {};
  expect(await manager.scaleUp('demo')).toMatchObject({ from: 0, to: 1 });
  expect(states(manager)).toEqual(['demo-1 ready']);
});

test('an instance that does not stop is killed at the deadline', async () => {
  behaviour = { 'demo-2': 'deaf' };
  const driver = scriptedDriver(({ id }) => behaviour[id] ?? 'serves', { stopTimeout: 50 });
  const manager = create({ driver });
  await manager.scaleUp('demo', 2);
  const { pid } = manager.getInstanceDetails('demo')[1]!;
  await manager.scaleDown('demo');
  expect(isAlive(pid!)).toBe(false);
});

test('an instance that hangs is replaced, if the options ask for it', async () => {
  const monitor = new HealthMonitor({ checkInterval: 50, fastInterval: 50, timeout: 1000, fall: 2, path: '/' });
  const manager = create({ monitor, replaceUnhealthy: true, stallWindow: 500, restart: { initialDelay: 10 } });
  await manager.scaleUp('demo');
  const { pid } = manager.getInstanceDetails('demo')[0]!;
  process.kill(pid!, 'SIGSTOP');
  await until(() => states(manager)[0] === 'demo-1 ready' && manager.getInstanceDetails('demo')[0]!.pid !== pid);
  expect(isAlive(pid!)).toBe(false);
  expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'CRASH', error: 'demo-1: no longer responded' });
  monitor.destroy();
});

describe('without a failed request', () => {
  /** A gateway in front of the manager's instances, and clients that send it requests without a pause. */
  async function underLoad(act: (manager: HorizontalScalingManager) => Promise<unknown>) {
    const router = new IntelligentRouter();
    const manager = create({ router });
    await manager.scaleUp('demo', 2);
    const proxy = proxyBalanced({ service: 'demo', router });
    const port = await listening(createServer(compose(proxy)));
    const served = new Map<string, number>();
    const failed: unknown[] = [];
    let isOver = false;
    const client = async (): Promise<void> => {
      while (!isOver) {
        try {
          // A POST: the gateway cannot retry a failed one unnoticed by the client.
          const answer = await fetch(`http://127.0.0.1:${port}/slow`, { method: 'POST', body: 'x' });
          const { id } = (await answer.json()) as { id: string };
          served.set(id, (served.get(id) ?? 0) + 1);
        } catch (error) {
          failed.push(error);
        }
      }
    };
    const clients = Array.from({ length: 8 }, client);
    await until(() => served.size === 2);
    await act(manager);
    await until(() => manager.getInstanceDetails('demo').every(({ id }) => served.has(id)));
    isOver = true;
    await Promise.all(clients);
    await proxy.close();
    router.close();
    return { manager, served, failed };
  }

  test('an instance migrates to another port', async () => {
    let ports: number[] = [];
    const { manager, served, failed } = await underLoad(async (running) => {
      ports = running.getInstanceDetails('demo').map(({ port }) => port);
      await running.migrateInstance(ports[0]!);
    });
    expect(failed).toEqual([]);
    expect(served.get('demo-3')).toBeGreaterThan(0);
    expect(states(manager)).toEqual(['demo-2 ready', 'demo-3 ready']);
    expect(manager.getInstanceDetails('demo').map(({ port }) => port)).not.toContain(ports[0]);
    expect(manager.getScalingHistory()[0]).toMatchObject({ event: 'MIGRATE', instances: ['demo-3', 'demo-1'] });
  });

  test('instances are added and removed', async () => {
    const { manager, failed } = await underLoad(async (running) => {
      await running.scaleUp('demo', 1);
      await running.scaleDown('demo', 2);
    });
    expect(failed).toEqual([]);
    expect(states(manager)).toEqual(['demo-1 ready']);
  });
});

test('an impossible migration is refused, and the instance keeps running', async () => {
  const manager = create();
  await manager.scaleUp('demo', 2);
  const [first, second] = manager.getInstanceDetails('demo').map(({ port }) => port);
  await expect(manager.migrateInstance(1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(manager.migrateInstance(first!, second)).rejects.toMatchObject({ code: 'CONFLICT' });
  const taken = await listening(createServer());
  await expect(manager.migrateInstance(first!, taken)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: `port ${taken} is in use by another program`,
  });
  expect(states(manager)).toEqual(['demo-1 ready', 'demo-2 ready']);
});

test('an instance started by another process is adopted, watched and stopped like the others', async () => {
  const other = scriptedDriver('serves');
  const left = await other.start({ service: 'demo', id: 'demo-2', port: 0 });
  const manager = create({ restart: { initialDelay: 10 } });
  const found = { service: 'demo', id: 'demo-2', host: left.host, port: left.port, pid: left.pid! };
  expect(await manager.adopt(found)).toBe(true);
  expect(await manager.adopt(found)).toBe(false);
  expect(await manager.adopt({ ...found, id: 'demo-3', pid: 2 ** 22 + 1 })).toBe(false);
  expect(states(manager)).toEqual(['demo-2 ready']);
  process.kill(left.pid!, 'SIGKILL');
  await until(() => manager.getInstanceDetails('demo')[0]?.restarts === 1 && states(manager)[0] === 'demo-2 ready');
  await other.close();
});

test('shutdown stops every process at once, also starting and draining ones, and refuses later commands', async () => {
  behaviour = { 'demo-3': 'silent' };
  const manager = create({ settleTime: 60_000 });
  await manager.scaleUp('demo', 2);
  const pids = manager.getInstanceDetails('demo').map(({ pid }) => pid!);
  const growing = manager.scaleUp('demo').catch((error: unknown) => error);
  const shrinking = manager.scaleDown('demo').catch((error: unknown) => error);
  await until(() => states(manager).includes('demo-3 starting'));
  await manager.shutdown();
  await manager.shutdown();
  expect(await growing).toMatchObject({ code: 'START_FAILED' });
  expect(await shrinking).toMatchObject({ code: 'CONFLICT' });
  expect(pids.filter(isAlive)).toEqual([]);
  await expect(manager.scaleUp('demo')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

test.each([
  [{ driver: {} }, /option 'driver': expected a scaling driver/],
  [{ services: { demo: { min: 3, max: 2 } } }, /service 'demo': expected min ≤ max, got min 3, max 2/],
  [{ services: { demo: { port: 70_000 } } }, /'port': expected a port from 0 to 65535/],
  [{ settleTime: -1 }, /'settleTime': expected milliseconds/],
])('the options %j are refused', (options, message) => {
  expect(() => new HorizontalScalingManager(options as HorizontalScalingManagerOptions)).toThrow(message);
});
