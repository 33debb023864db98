/**
 * Header fields keep their lines and their bytes, regardless of the HTTP client that forwards the request and of how
 * the head is sent.
 */
import type { Socket } from 'node:net';
import { createServer } from 'node:http';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { createRig, exchangeBytes, type Rig } from '../support/proxy-rig.js';

let rig: Rig;
let proxies: ProxyBalanced[];
beforeEach(() => {
  rig = createRig();
  proxies = [];
});
afterEach(async () => {
  for (const proxy of proxies) await proxy.close();
  await rig.close();
});

async function front(target: string): Promise<number> {
  const proxy = proxyBalanced({ targets: [target] });
  proxies.push(proxy);
  const server = createServer(compose(proxy));
  proxy.attach(server);
  return rig.serveWith(server);
}

/** Requests by the way they take: undici, Node's client for one or the other reason, an upgrade that is refused. */
const WAYS: Readonly<Record<string, string>> = {
  plain: 'GET / HTTP/1.1\r\nHost: a\r\nX-L: caf\xe9\r\n\r\n',
  'with trailers':
    'POST / HTTP/1.1\r\nHost: a\r\nX-L: caf\xe9\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n',
  'with Expect': 'POST / HTTP/1.1\r\nHost: a\r\nX-L: caf\xe9\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
  'with an upgrade': 'GET / HTTP/1.1\r\nHost: a\r\nX-L: caf\xe9\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
};

const LINES = [
  'X-L: caf\xe9 \xc3\xa9',
  'Set-Cookie: a=1',
  'Set-Cookie: b=2',
  'X-R: 1',
  'X-R: 2',
  'Warning: 1',
  'Warning: 2',
];
const HEAD = `HTTP/1.1 200 Fine\r\n${LINES.join('\r\n')}\r\nContent-Length: 2\r\n\r\n`;

/** Answers once the request is whole, and remembers its head. */
function answering(write: (socket: Socket) => void): { seen: () => string; onConnection: (socket: Socket) => void } {
  let head = '';
  return {
    seen: () => head,
    onConnection: (socket) => {
      let received = '';
      let isContinued = false;
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        const [before, body = ''] = received.split(/\r\n\r\n(.*)/s);
        if (body === '' && /expect/i.test(before!) && !isContinued) {
          isContinued = true;
          socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        } else if (/^GET/.test(before!) || body.endsWith('x') || /x-t: 1\r\n\r\n$/i.test(body)) {
          head = before!;
          write(socket);
        }
      });
    },
  };
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The lines of the final head that are about the answer itself. */
function linesOf(received: string): string[] {
  const final = received.slice(received.lastIndexOf('HTTP/1.1 200'));
  const [head = ''] = final.split('\r\n\r\n');
  return head.split('\r\n').filter((line) => !/^(?:date|connection|keep-alive|content-length):/i.test(line));
}

describe.each(Object.entries(WAYS))('a request %s', (_way, request) => {
  test.each<[string, (socket: Socket) => void]>([
    ['with the head', (socket) => socket.write(latin1(`${HEAD}ok`))],
    ['after the head', (socket) => socket.write(latin1(HEAD), () => setImmediate(() => socket.write('ok')))],
  ])('keeps the lines and bytes of an answer whose body comes %s', async (_when, write) => {
    const { onConnection, seen } = answering(write);
    const port = await front(await rig.rawOrigin(onConnection));
    const received = await exchangeBytes(port, latin1(request), (text) => text.endsWith('ok'));
    const [status, ...lines] = linesOf(received);
    expect(status).toBe('HTTP/1.1 200 Fine');
    expect(lines.map((line) => line.toLowerCase()).sort()).toEqual(LINES.map((line) => line.toLowerCase()).sort());
    expect(seen().toLowerCase()).toContain('\r\nx-l: caf\xe9\r\n');
  });
});
