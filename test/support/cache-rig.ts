/** A server with `cacheResponse` in front of an origin the test scripts, asked over real sockets with a clock it moves. */
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cacheResponse, type CacheResponse, type CacheResponseOptions } from '../../src/middleware/cache-response.js';
import { compose } from '../../src/middleware/compose.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

export type Origin = (req: IncomingMessage, res: ServerResponse) => void;

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly trailers: NodeJS.Dict<string>;
  /** `hit`, `fwd=stale; stored`, …: this cache's member without its name. */
  readonly cache: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly agent?: http.Agent;
}

export interface CacheRig {
  readonly cache: CacheResponse;
  readonly clock: FakeClock;
  readonly server: http.Server;
  readonly port: number;
  /** Every request the origin got. */
  readonly seen: IncomingMessage[];
  /** The origin's behaviour, replaceable between requests. */
  origin: Origin;
  readonly ask: (path: string, options?: AskOptions) => Promise<Answer>;
  readonly close: () => Promise<void>;
}

/** A listening server, to be closed by the test. */
export async function listen(listener: http.RequestListener): Promise<http.Server> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export function portOf(server: http.Server): number {
  return (server.address() as AddressInfo).port;
}

export async function shut(server: http.Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** One request on a connection of its own. */
export function ask(port: number, path: string, options: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers, body, agent = false } = options;
    const req = http.request({ host: '127.0.0.1', port, path, method, headers, agent });
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode!,
          reason: res.statusMessage!,
          headers: res.headers,
          rawHeaders: res.rawHeaders,
          body: Buffer.concat(chunks).toString(),
          trailers: res.trailers,
          cache: String(res.headers['cache-status'] ?? '').replace(/^.*?tooloo; /, ''),
        }),
      );
    });
    req.end(body);
  });
}

export async function cacheRig(origin: Origin, options: CacheResponseOptions = {}): Promise<CacheRig> {
  const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  const cache = cacheResponse({ clock, ...options });
  const seen: IncomingMessage[] = [];
  const rig = { origin };
  const server = await listen(
    compose(cache, (req, res) => {
      seen.push(req);
      rig.origin(req, res);
    }),
  );
  const port = portOf(server);
  return Object.assign(rig, {
    cache,
    clock,
    server,
    port,
    seen,
    ask: (path: string, asked?: AskOptions) => ask(port, path, asked),
    close: async () => {
      cache.close();
      await shut(server);
    },
  });
}

/** An origin that answers with these fields. Its body is the number of requests it has received. */
export function counting(headers: Readonly<Record<string, string | string[]>>, status = 200): Origin {
  let count = 0;
  return (req, res) => {
    count++;
    res.writeHead(status, headers);
    res.end(req.method === 'HEAD' ? undefined : `answer ${count}`);
  };
}

/** Lets what is under way between sockets settle. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until something holds, turn by turn of the event loop; the test's own timeout is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
