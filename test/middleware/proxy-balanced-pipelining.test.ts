/** Pipelined requests: the instances see those of one connection one after the other (RFC 9112 §9.3.2). */
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import { cacheResponse } from '../../src/middleware/cache-response.js';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import type { Middleware } from '../../src/shared/http.js';
import { until } from '../support/eventually.js';
import { ask, createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { messagesIn } from '../transparency/exchange.js';

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/** Pipelines requests, `METHOD /path` each, through a proxy. Returns what the client reads: statuses, bodies, links. */
async function pipelined(requests: readonly string[], listener: RequestListener): Promise<string[]> {
  const port = await rig.serve(proxyBalanced({ targets: [await rig.origin(listener)] }));
  const bytes = requests.map((line, index) => {
    const connection = index === requests.length - 1 ? 'close' : 'keep-alive';
    return `${line} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: ${connection}\r\n\r\n`;
  });
  const received = await exchangeBytes(port, bytes.join(''));
  const methods = requests.map((line) => line.slice(0, line.indexOf(' ')));
  return messagesIn(received, methods).map(({ status, fields, body }) => {
    const link = status === 103 ? fields.find(([name]) => name === 'link')?.[1] : undefined;
    return `${status} ${link ?? body}`.trim();
  });
}

test('a request reaches an instance when the response to the one before it is sent', async () => {
  const seen: string[] = [];
  const requests = ['GET /1', 'POST /2', 'DELETE /3', 'GET /4', 'PUT /5'];
  const read = await pipelined(requests, (req, res) => {
    seen.push(`${req.method} ${req.url}`);
    setImmediate(() => {
      seen.push('answered');
      res.end(req.url);
    });
  });
  expect(read).toEqual(['200 /1', '200 /2', '200 /3', '200 /4', '200 /5']);
  expect(seen).toEqual(requests.flatMap((line) => [line, 'answered']));
});

test('each response has its own 1xx responses in front', async () => {
  const read = await pipelined(['GET /1', 'GET /2', 'GET /3'], (req, res) => {
    res.writeEarlyHints({ link: `<${req.url}.css>; rel=preload` });
    res.writeProcessing();
    res.end(req.url);
  });
  const whole = (path: string): string[] => [`103 <${path}.css>; rel=preload`, '102', `200 ${path}`];
  expect(read).toEqual(['/1', '/2', '/3'].flatMap(whole));
});

test('no other client waits for a response that is behind an endless one on its connection', async () => {
  const origin = await rig.origin((req, res) => {
    res.setHeader('Cache-Control', 'max-age=60');
    if (req.url === '/endless') res.write('…');
    else res.end('shared');
  });
  const chain = compose(cacheResponse(), proxyBalanced({ targets: [origin] })) as Middleware;
  const port = await rig.serve(chain);
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.write(['/endless', '/shared'].map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
  await until(() => received.includes('…'));
  const answer = await ask(port, { path: '/shared', headers: { Host: 'h' } });
  expect(answer).toMatchObject({ status: 200, body: 'shared' });
  socket.destroy();
});
