/** The problem that a request is answered with is recorded in its trace. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ResilienceError, sendError, trace } from '../../src/index.js';

async function attributesOf(error: ResilienceError): Promise<Readonly<Record<string, unknown>>> {
  const traced = trace({ samplingRate: 1 });
  const server = createServer((req, res) => traced(req, res, () => sendError(req, res, error))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const ended = new Promise((resolve) => traced.tracer.onRequest(resolve));
    await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).text();
    await ended;
    return traced.tracer.getTrace(traced.tracer.listTraces()[0]!.traceId)!.spans[0]!.attributes;
  } finally {
    server.closeAllConnections();
    server.close();
    await traced.close();
  }
}

test('an error of the server with its code, an error of the client and an internal one not at all', async () => {
  const away = await attributesOf(new ResilienceError('NO_TARGET_AVAILABLE', 'meta has no instance'));
  expect(away['error.message']).toBe('NO_TARGET_AVAILABLE: meta has no instance');
  expect(away['error.type']).toBe('503');
  expect(await attributesOf(new ResilienceError('NOT_FOUND', 'nothing here'))).not.toHaveProperty(['error.message']);
  expect(await attributesOf(new ResilienceError('INTERNAL', 's3cret'))).not.toHaveProperty(['error.message']);
});
