/** Pipelined requests: the responses come in the order of the requests, also if the origin answers in another order. */
import type { RequestListener, ServerResponse } from 'node:http';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import type { Middleware } from '../../src/shared/http.js';
import { until } from '../support/eventually.js';
import { createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';
import { messagesIn } from '../transparency/exchange.js';

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/**
 * Pipelines requests to `/first` and to the other paths. The origin answers the first one only after the proxy has ended
 * its responses to all others, so that none of these has a socket while it is written.
 *
 * @returns what the client reads: the status and the body of each response, and the link of a 103
 */
async function overtaken(paths: readonly string[], listener: RequestListener): Promise<string[]> {
  const responses = new Map<string, ServerResponse>();
  const areEnded = (): boolean => paths.every((path) => responses.get(path)?.writableEnded === true);
  const origin = await rig.origin((req, res) => {
    if (req.url === '/first') void until(areEnded).then(() => res.end('first'));
    else listener(req, res);
  });
  const proxy = proxyBalanced({ targets: [origin] });
  const watched: Middleware = (req, res, next) => {
    responses.set(req.url!, res);
    proxy(req, res, next);
  };
  const port = await rig.serve(Object.assign(watched, { close: () => proxy.close() }));
  const all = ['/first', ...paths];
  const requests = all.map((path) => {
    const connection = path === all.at(-1) ? 'close' : 'keep-alive';
    return `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: ${connection}\r\n\r\n`;
  });
  const received = await exchangeBytes(port, requests.join(''));
  const methods = all.map(() => 'GET');
  return messagesIn(received, methods).map(({ status, fields, body }) => {
    const link = status === 103 ? fields.find(([name]) => name === 'link')?.[1] : undefined;
    return `${status} ${link ?? body}`.trim();
  });
}

test('responses that overtake an earlier one wait for it, each with its 1xx responses in front', async () => {
  const read = await overtaken(['/second', '/third'], (req, res) => {
    res.writeEarlyHints({ link: `<${req.url}.css>; rel=preload` });
    res.writeProcessing();
    res.end(req.url);
  });
  const other = (path: string): string[] => [`103 <${path}.css>; rel=preload`, '102', `200 ${path}`];
  expect(read).toEqual(['200 first', ...other('/second'), ...other('/third')]);
});

test('a response that waits keeps 64 KiB of 1xx responses at most', async () => {
  const link = `</a.css>; rel=preload; title=${'x'.repeat(8_000)}`;
  const read = await overtaken(['/second'], (_req, res) => {
    for (let sent = 0; sent < 20; sent++) res.writeEarlyHints({ link });
    res.end('second');
  });
  const statuses = read.map((message) => message.slice(0, 3));
  expect(statuses).toEqual(['200', ...Array<string>(8).fill('103'), '200']);
});
