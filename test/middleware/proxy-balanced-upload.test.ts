/** Bodies too large to keep: they pass as they come, and either side may give up in the middle. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { until } from '../support/eventually.js';
import { createRig, type Rig } from '../support/proxy-rig.js';

const SIZE = 64 * 2 ** 20;

let rig: Rig;
beforeEach(() => {
  rig = createRig();
});
afterEach(() => rig.close());

/** Bytes that differ everywhere, so that a lost or repeated piece shows. */
function* pieces(): Generator<Buffer> {
  for (let at = 0; at < SIZE; at += 65_536) {
    const piece = Buffer.alloc(65_536, at % 251);
    piece.writeUInt32LE(at);
    yield piece;
  }
}

async function digest(body: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

const post = (port: number, headers: Record<string, string | number> = {}): ClientRequest =>
  request({ host: '127.0.0.1', port, method: 'POST', agent: false, headers }).on('error', () => undefined);

const statsOf = (proxy: ProxyBalanced) => proxy.router.getRoutingStats()['upstream']!;

test.each(['by length', 'in chunks'])('64 MiB %s reach the instance and return unchanged', async (framing) => {
  const origin = await rig.origin((req, res) => {
    void digest(req).then((received) => {
      res.setHeader('X-Received', received);
      void pipeline(Readable.from(pieces()), res);
    });
  });
  const port = await rig.serve(proxyBalanced({ targets: [origin] }));
  const req = post(port, framing === 'by length' ? { 'Content-Length': SIZE } : {});
  const answered = once(req, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(pieces()), req);
  const [res] = await answered;
  const expected = await digest(pieces());
  expect(res.headers['x-received']).toBe(expected);
  expect(await digest(res)).toBe(expected);
});

test('a client that aborts its upload ends the upstream request, which does not count as a failure', async () => {
  let received = 0;
  let wasCut = false;
  const origin = await rig.origin((req) => {
    req.on('data', (chunk: Buffer) => (received += chunk.length));
    req.once('error', () => (wasCut = !req.complete));
  });
  const proxy = proxyBalanced({ targets: [origin] });
  const req = post(await rig.serve(proxy));
  req.write(Buffer.alloc(200_000));
  await until(() => received === 200_000);
  req.destroy();
  await until(() => wasCut, 'the instance did not see the abort');
  expect(proxy.stats()).toMatchObject({ active: 0, clientGone: 1, retries: 0 });
  expect(statsOf(proxy)).toMatchObject({ requests: 1, failures: 0, inFlight: 0 });
});

test('an instance that aborts an upload is 502 and not retried, and the failure counts against it', async () => {
  const origin = await rig.rawOrigin((socket) => {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received > 200_000) socket.resetAndDestroy();
    });
  });
  const proxy = proxyBalanced({ targets: [origin] });
  const req = post(await rig.serve(proxy));
  req.write(Buffer.alloc(300_000));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.statusCode).toBe(502);
  req.destroy();
  await until(() => proxy.stats().active === 0);
  expect(statsOf(proxy)).toMatchObject({ requests: 1, failures: 1, inFlight: 0 });
});
