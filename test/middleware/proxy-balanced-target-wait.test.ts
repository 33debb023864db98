/** A service without any instance: requests wait up to `targetTimeout` for an instance to become available. */
import { createServer } from 'node:http';
import { proxyBalanced, type ProxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { IntelligentRouter } from '../../src/routing/intelligent-router.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ask, createRig, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

let rig: Rig;
let router: IntelligentRouter;
let clock: FakeClock;
let proxy: ProxyBalanced;
let port: number;
/** Timers that run whether or not there are requests. */
let idleTimers: number;

async function serve(options: Partial<ProxyBalancedOptions> = {}): Promise<void> {
  proxy = proxyBalanced({ service: 'shop', router, clock, targetTimeout: 5000, ...options });
  port = await rig.serve(proxy);
  router.acquire('shop'); // from now on it looks for frozen instances
  idleTimers = clock.pendingTimers;
}

const portOf = (url: string): number => Number(new URL(url).port);

beforeEach(() => {
  rig = createRig();
  clock = new FakeClock();
  router = new IntelligentRouter({ clock });
});

afterEach(async () => {
  await rig.close();
  router.close();
});

test('a request waits for the instance that comes', async () => {
  await serve();
  const origin = await rig.origin((_req, res) => res.end('here'));
  const answers = [ask(port), ask(port, { method: 'POST', body: 'order' })];
  await until(() => proxy.stats().active === 2);
  router.addTarget('shop', portOf(origin));
  for (const { status, body } of await Promise.all(answers))
    expect({ status, body }).toEqual({ status: 200, body: 'here' });
  expect(clock.pendingTimers).toBe(idleTimers);
});

test('a request whose instance failed is sent again when an instance returns', async () => {
  await serve({ circuitBreaker: undefined });
  const gone = await rig.rawOrigin((socket) => socket.destroy());
  router.addTarget('shop', portOf(gone));
  const answer = ask(port);
  await until(() => clock.pendingTimers > idleTimers + 1);
  await until(() => {
    clock.tick(50); // the backoff of the retry
    return proxy.stats().active === 1 && router.getRoutingStats()['shop']!.failures === 2; // once more on a new connection
  });
  router.removeTarget('shop', portOf(gone));
  const origin = await rig.origin((_req, res) => res.end('back'));
  router.addTarget('shop', portOf(origin));
  await until(() => {
    clock.tick(50);
    return proxy.stats().active === 0;
  });
  expect((await answer).body).toBe('back');
});

test('the only instance restarts at its address: waiting requests are retried without an announcement', async () => {
  await serve();
  const origin = createServer((_req, res) => res.end('back'));
  const place = await rig.serveWith(origin);
  await new Promise((resolve) => origin.close(resolve));
  router.addTarget('shop', place);
  const answers = [ask(port), ask(port)];
  const stateOf = (): string => router.getRoutingStats()['shop']!.instances[0]!.state;
  await until(() => stateOf() === 'circuit-open');
  await new Promise<void>((resolve) => origin.listen(place, '127.0.0.1', resolve));
  await until(() => {
    clock.tick(10);
    return stateOf() === 'usable';
  });
  for (const { status, body } of await Promise.all(answers))
    expect({ status, body }).toEqual({ status: 200, body: 'back' });
});

test('it is refused with 503 when none comes in time', async () => {
  await serve();
  const answer = ask(port);
  await until(() => proxy.stats().active === 1);
  clock.tick(5000);
  const { status, headers } = await answer;
  expect(status).toBe(503);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
});

test('without the option it is refused at once', async () => {
  await serve({ targetTimeout: undefined });
  expect((await ask(port)).status).toBe(503);
});

test('more than may wait are refused at once', async () => {
  await serve({ maxQueue: 1 });
  const first = ask(port);
  await until(() => proxy.stats().active === 1);
  expect((await ask(port)).status).toBe(503);
  clock.tick(5000);
  await first;
});

test('a client that leaves is not waited with', async () => {
  await serve();
  const leaving = new AbortController();
  const answer = fetch(`http://127.0.0.1:${port}/`, { signal: leaving.signal });
  await until(() => proxy.stats().active === 1);
  leaving.abort();
  await expect(answer).rejects.toThrow();
  await until(() => proxy.stats().active === 0);
  expect(clock.pendingTimers).toBe(idleTimers);
});
