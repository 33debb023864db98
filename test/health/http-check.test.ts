/** A check asks the instance anew: an idle connection of the process proves nothing about the next one. */
import { createServer, get, globalAgent } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkHttp } from '../../src/health/http-check.js';

test('a check never uses a connection that is open already', async () => {
  let connections = 0;
  const server = createServer((_req, res) => res.end('ok')).on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  // The agent of Node keeps this one open.
  const freed = new Promise((resolve) => globalAgent.once('free', resolve));
  get(url, (response) => response.resume());
  await freed;
  expect(await checkHttp(url, new AbortController().signal)).toEqual({ status: 'healthy' });
  expect(connections).toBe(2);
  globalAgent.destroy();
  await new Promise((resolve) => server.close(resolve));
});
