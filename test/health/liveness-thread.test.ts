/** The liveness thread answers while this thread is blocked. A client in a third thread sends the requests. */
import { hasSubscribers } from 'node:diagnostics_channel';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { healthEndpoints, type HealthEndpoints } from '../../src/middleware/health-endpoints.js';
import { eventually } from '../support/eventually.js';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: { maxBlocked?: number } = {}): Promise<{ health: HealthEndpoints; url: string }> {
  const health = healthEndpoints({ livenessThread: { port: 0, ...options } });
  closing.push(() => health.close());
  return { health, url: `http://127.0.0.1:${await health.livenessThread!.listening}` };
}

/** A client in a thread. It asks until it gets the wanted status, records it, and wakes the waiting thread. */
const CLIENT = `
const { workerData: { url, wanted, cell } } = require('node:worker_threads');
(async () => {
  for (;;) {
    const { status } = await fetch(url);
    if (status !== wanted) continue;
    Atomics.store(cell, 0, status);
    Atomics.notify(cell, 0);
    return;
  }
})();`;

/** Blocks this thread until the client has seen the status. */
async function seenWhileBlocked(url: string, wanted: number): Promise<number> {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(CLIENT, { eval: true, workerData: { url, wanted, cell }, execArgv: [] });
  closing.push(() => worker.terminate());
  await once(worker, 'online');
  Atomics.wait(cell, 0, 0, 30_000);
  return Atomics.load(cell, 0);
}

test('a blocked event loop is alive', async () => {
  const { url } = await start();
  expect(await seenWhileBlocked(`${url}/livez`, 200)).toBe(200);
});

test('an event loop that is blocked for longer than maxBlocked is not alive until it runs again', async () => {
  const { url } = await start({ maxBlocked: 400 });
  expect(await seenWhileBlocked(`${url}/livez`, 503)).toBe(503);
  await eventually(
    async () => (await fetch(`${url}/livez`)).status,
    (status) => status === 200,
  );
});

test('while the loop runs, the liveness probes decide', async () => {
  const { health, url } = await start();
  let isWell = true;
  health.probes.registerLivenessProbe('worker', () => isWell, { interval: 0 });
  const first = await fetch(`${url}/livez`);
  expect(await first.json()).toEqual({ status: 'pass' });
  expect(first.headers.get('content-type')).toBe('application/health+json');
  expect(first.headers.get('cache-control')).toBe('no-store');
  isWell = false;
  await eventually(
    async () => (await fetch(`${url}/livez`)).status,
    (status) => status === 503,
  );
});

test('other paths and methods', async () => {
  const { url } = await start();
  expect((await fetch(`${url}/readyz`)).status).toBe(404);
  expect((await fetch(`${url}/livez?verbose`, { method: 'HEAD' })).status).toBe(200);
  const refused = await fetch(`${url}/livez`, { method: 'POST' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('a port that is taken is a warning', async () => {
  const taken: Server = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  closing.push(() => taken.close());
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const health = healthEndpoints({ livenessThread: { port: (taken.address() as AddressInfo).port } });
  closing.push(() => health.close());
  expect(await health.livenessThread!.listening).toBeUndefined();
  expect(warned).toHaveBeenCalledWith(
    expect.stringContaining('EADDRINUSE'),
    expect.objectContaining({ code: 'TOOLOO_LIVENESS_THREAD_FAILED' }),
  );
  warned.mockRestore();
});

test('closing ends the thread', async () => {
  const { health, url } = await start();
  health.close();
  health.close();
  await eventually(
    () =>
      fetch(`${url}/livez`).then(
        () => 'answered',
        () => 'gone',
      ),
    (outcome) => outcome === 'gone',
  );
});

test('options are checked, and wrong ones leave no subscription', () => {
  const before = hasSubscribers('net.server.socket');
  expect(() => healthEndpoints({ livenessThread: {} as never })).toThrow(TypeError);
  expect(() => healthEndpoints({ livenessThread: { port: 70_000 } })).toThrow(RangeError);
  expect(() => healthEndpoints({ livenessThread: { port: 0, maxBlocked: -1 } })).toThrow(RangeError);
  expect(hasSubscribers('net.server.socket')).toBe(before);
});
