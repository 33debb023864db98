/** Which messages are HTTP/2: of each server of Node, before and after the stream has closed, and simulated ones. */
import { once } from 'node:events';
import { createServer, get, IncomingMessage, ServerResponse, type Server } from 'node:http';
import { connect, createSecureServer, createServer as createCleartextServer, type Http2Server } from 'node:http2';
import { Socket, type AddressInfo } from 'node:net';
import { isHttp2, isHttp2Response, requestStreamOf, responseStreamOf } from '../../src/shared/http2-message.js';
import { cert, key } from '../support/tls.js';

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** Serves one request; what the server saw, and a promise of its end. */
async function served(server: Server | Http2Server, ask: (port: number) => () => void): Promise<Exchange> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const leave = ask((server.address() as AddressInfo).port);
  const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  leaving.push(async () => {
    leave();
    await new Promise((resolve) => server.close(resolve));
  });
  return { req, res };
}

const leaving: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const leave of leaving.splice(0)) await leave();
});

const overHttp2 = (scheme: string) => (port: number) => {
  const session = connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  session.request({ ':path': '/' }).on('error', () => undefined);
  return () => session.destroy();
};

test('HTTP/1', async () => {
  const { req, res } = await served(createServer(), (port) => {
    const asked = get({ port, host: '127.0.0.1', agent: false }).on('error', () => undefined);
    return () => asked.destroy();
  });
  expect([isHttp2(req), isHttp2Response(res), requestStreamOf(req), responseStreamOf(res)]).toEqual([
    false,
    false,
    undefined,
    undefined,
  ]);
});

test.each([
  ['in cleartext', 'http', () => createCleartextServer()],
  ['over TLS', 'https', () => createSecureServer({ key, cert })],
])('HTTP/2 %s, also after its stream has closed', async (_name, scheme, create) => {
  const { req, res } = await served(create(), overHttp2(scheme));
  const stream = requestStreamOf(req)!;
  const judge = (): unknown[] => [isHttp2(req), isHttp2Response(res), responseStreamOf(res) === stream];
  expect(judge()).toEqual([true, true, true]);
  res.end();
  await once(stream, 'close');
  expect(judge()).toEqual([true, true, true]);
});

test('simulated messages are HTTP/1, even with a property named stream', () => {
  const req = new IncomingMessage(new Socket());
  const res = new ServerResponse(req);
  expect([isHttp2(req), isHttp2Response(res)]).toEqual([false, false]);
  expect(isHttp2Response({} as ServerResponse)).toBe(false);
  expect(isHttp2Response({ stream: process.stdout } as unknown as ServerResponse)).toBe(false);
});
