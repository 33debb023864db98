/** Instances that report that they have no room: they are full, not broken. */
import type { RequestListener, ServerResponse } from 'node:http';
import { proxyBalanced, type ProxyBalancedOptions } from '../../src/middleware/proxy-balanced.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { ask, createRig, type Rig } from '../support/proxy-rig.js';
import { until } from '../support/eventually.js';

const ROOM = 5;

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/** Answers all with this. */
const always =
  (status: number, fields: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    res.writeHead(status, fields).end(String(status));

const busy = always(503, { 'Retry-After': '7' });

async function front(listeners: readonly RequestListener[], options: ProxyBalancedOptions = {}) {
  const targets = await Promise.all(listeners.map((listener) => rig.origin(listener)));
  const proxy = proxyBalanced({ targets, algorithm: 'round-robin', ...options });
  const port = await rig.serve(proxy);
  const instances = () => Object.values(proxy.router.getRoutingStats())[0]!.instances;
  return { port, proxy, instances };
}

test('instances that are full stay in use, each up to its room', async () => {
  const held: ServerResponse[] = [];
  const full = (): RequestListener => {
    let taken = 0;
    return (_req, res) => {
      if (taken === ROOM) return busy(_req, res);
      taken++;
      held.push(res);
    };
  };
  const { port, instances } = await front([full(), full(), full()], { algorithm: 'p2c-ewma' });
  let refused = 0;
  const answers = Array.from({ length: 20 * ROOM }, async () => {
    const answer = await ask(port, { method: 'POST' });
    if (answer.status === 503) refused++;
    return answer;
  });
  await until(() => refused === 17 * ROOM && held.length === 3 * ROOM, 'not all of their room was used');
  for (const res of held) res.end('served');
  await Promise.all(answers);
  expect(instances().map(({ state, circuit, failures }) => [state, circuit, failures])).toEqual(
    Array(3).fill(['usable', 'closed', 0]),
  );
  expect(instances().reduce((sum, one) => sum + one.busy, 0)).toBe(17 * ROOM);
});

test('a 503 without Retry-After is a failure, and ejects the instance', async () => {
  const { port, instances } = await front([always(503), always(200)]);
  for (let i = 0; i < 10; i++) await ask(port, { method: 'POST' });
  expect(instances().map(({ state, failures, busy }) => [state, failures, busy])).toEqual([
    ['ejected', 5, 0],
    ['usable', 0, 0],
  ]);
});

test('a request rejected for lack of room is retried on another instance if it is safe to repeat', async () => {
  const { port } = await front([busy, always(200)]);
  expect(await ask(port)).toMatchObject({ status: 200 });
  expect(await ask(port)).toMatchObject({ status: 200 });
  const posted = [await ask(port, { method: 'POST' }), await ask(port, { method: 'POST' })];
  expect(posted.map(({ status }) => status).sort()).toEqual([200, 503]);
});

test('if all instances are full, the client gets 503 with Retry-After', async () => {
  const { port, instances } = await front([busy, busy, busy]);
  const answer = await ask(port);
  expect(answer).toMatchObject({ status: 503, body: '503' });
  expect(answer.headers['retry-after']).toBe('7');
  expect(instances().map((one) => one.busy)).toEqual([1, 1, 1]);
});

describe('without budget for another attempt', () => {
  /** The first attempt has been answered, and its backoff is over. */
  async function afterFirst(listener: RequestListener) {
    const clock = new FakeClock();
    const retryBudget = { ratio: 0, min: 0 };
    const { port, instances } = await front([listener, listener], { clock, retryBudget, random: () => 0.5 });
    const answer = ask(port);
    await until(() => instances().some(({ busy, failures }) => busy + failures > 0));
    clock.tick(25);
    return { answer, clock };
  }

  test.each([
    ['a refusal', busy, 503],
    ['a failure', always(500), 500],
  ])('%s is passed on at once, and nothing is retried', async (_what, listener, status) => {
    const clock = new FakeClock(); // which never ticks: nothing may wait
    const { port, proxy } = await front([listener, listener], { clock, retryBudget: { ratio: 0, min: 0 } });
    expect(await ask(port)).toMatchObject({ status, body: String(status) });
    expect(proxy.stats().retries).toBe(0);
  });

  test('a request without any answer waits two seconds for some', async () => {
    const { answer, clock } = await afterFirst((req) => req.socket.destroy());
    const timers = clock.pendingTimers; // one of them its next turn
    for (let i = 0; i < 19; i++) clock.tick(100);
    expect(clock.pendingTimers).toBe(timers);
    for (let i = 0; i < 5; i++) clock.tick(100);
    expect((await answer).status).toBe(502);
  });
});

test('a 429 is the client’s: passed on at once, and neither a failure nor a quick answer', async () => {
  const { port, proxy, instances } = await front([always(429, { 'Retry-After': '1' }), always(200)]);
  const answers = [await ask(port), await ask(port)];
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 429]);
  expect(proxy.stats().retries).toBe(0);
  const [limited, served] = instances();
  expect(limited).toMatchObject({ state: 'usable', failures: 0, busy: 1 });
  expect(limited!.ewma).toBeGreaterThan(served!.ewma);
});
