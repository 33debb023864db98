/**
 * The same bytes to this proxy and to nginx: their instances see the same request, and their clients get the same
 * status, except for the differences that docs/routing.md lists.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { compose } from '../../src/middleware/compose.js';
import { proxyBalanced, type ProxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { NginxServer } from '../support/nginx-server.js';
import {
  startScriptedInstance,
  type ScriptedAnswer,
  type ScriptedInstance,
  type SeenRequest,
} from '../support/scripted-instance.js';
import { fuzz, type Tally } from './harness.js';
import { FIELDS, OUTCOMES } from './proxy-nginx-differences.js';
import { bytesOf, rawRequests, type RawRequest } from './proxy-raw-requests.js';

const ANSWER: ScriptedAnswer = {
  isEarly: false,
  parts: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'],
  end: 'close',
};
/** Milliseconds after which a proxy counts as silent. */
const LIMIT = 5_000;

interface Side {
  readonly port: number;
  readonly instance: ScriptedInstance;
}

interface Outcome {
  /** The statuses that came, or how else it ended. */
  readonly statuses: string;
  readonly seen: readonly SeenRequest[];
}

function send(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(new Error('silent')), LIMIT);
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
  });
}

async function outcome({ port, instance }: Side, request: RawRequest): Promise<Outcome> {
  const before = instance.seen.length;
  const received = await send(port, bytesOf(request));
  const statuses = [...received.matchAll(/HTTP\/1\.[01] (\d+)/g)].map(([, status]) => status);
  return { statuses: statuses.join(', ') || 'closed without an answer', seen: instance.seen.slice(before) };
}

/**
 * A field as one line, without the space that ends it where the last of several lines is empty (RFC 9110 §5.3). Only the
 * name of a host is compared: nginx takes the port off, and writes it in lowercase.
 */
function valueOf({ fields }: SeenRequest, name: string): string {
  const value = fields
    .filter(([one]) => one === name)
    .map(([, one]) => one)
    .join(name === 'cookie' ? '; ' : ', ')
    .trimEnd();
  return name === 'host' ? value.toLowerCase().replace(/:\d+$/, '') : value;
}

function differencesOf(request: RawRequest, ours: Outcome, theirs: Outcome): string[] {
  if (OUTCOMES.some((known) => known.applies(request))) return [];
  if (ours.statuses !== theirs.statuses) return [`status ${ours.statuses}, nginx: ${theirs.statuses}`];
  if (ours.seen.length !== theirs.seen.length) return [`seen ${ours.seen.length} times, nginx: ${theirs.seen.length}`];
  const [mine, other] = [ours.seen[0], theirs.seen[0]];
  if (mine === undefined || other === undefined) return [];
  const found: string[] = [];
  if (mine.line !== other.line) found.push(`${mine.line}, nginx: ${other.line}`);
  if (mine.body !== other.body) found.push(`body ${JSON.stringify(mine.body)}, nginx: ${JSON.stringify(other.body)}`);
  for (const name of new Set([...mine.fields, ...other.fields].map(([one]) => one))) {
    const [here, there] = [valueOf(mine, name), valueOf(other, name)];
    if (here === there || FIELDS.some((known) => known.names.test(name) && known.applies(request))) continue;
    found.push(`${name}: ${JSON.stringify(here)}, nginx: ${JSON.stringify(there)}`);
  }
  return found;
}

const missing = NginxServer.unavailable;

if (missing !== undefined) {
  test.skip(`this proxy reads requests as nginx does (skipped: ${missing})`, () => undefined);
} else {
  let nginx: NginxServer;
  let proxy: ProxyBalanced;
  let server: Server;
  let ours: Side;
  let theirs: Side;

  beforeAll(async () => {
    const [here, there] = [await startScriptedInstance(() => ANSWER), await startScriptedInstance(() => ANSWER)];
    nginx = await NginxServer.start({
      servers: [Number(new URL(there.url).port)],
      // The client's host, and nothing buffered.
      location: 'proxy_set_header Host $host; proxy_request_buffering off; proxy_buffering off;',
    });
    proxy = proxyBalanced({ targets: [here.url], circuitBreaker: false, outlier: false });
    server = createServer(compose(proxy));
    proxy.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ours = { port: (server.address() as AddressInfo).port, instance: here };
    theirs = { port: nginx.port, instance: there };
  });
  afterAll(async () => {
    await proxy.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await nginx.stop();
    await Promise.all([ours.instance.close(), theirs.instance.close()]);
  });

  fuzz(
    'proxy',
    [
      {
        title: 'this proxy reads requests as nginx does, except for what its guide lists',
        arbitrary: rawRequests,
        async check(request: RawRequest, tally: Tally) {
          const outcomes = await Promise.all([outcome(ours, request), outcome(theirs, request)]);
          tally.exchanges = (tally.exchanges ?? 0) + 2;
          expect(differencesOf(request, ...outcomes)).toEqual([]);
        },
      },
    ],
    0.1,
  );
}

test('the guide lists each known difference', () => {
  const guide = readFileSync(join(__dirname, '../../docs/routing.md'), 'utf8');
  const rows = [...OUTCOMES, ...FIELDS].map(({ row }) => `| ${row.join(' | ')} |`);
  expect(rows.filter((row) => !guide.includes(row))).toEqual([]);
});
