import axios from 'axios';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import {
  serviceClient,
  upstreamError,
  type RoutedTarget,
  type ServiceClient,
  type ServiceClientOptions,
} from '../../src/service-client/index.js';
import { ResilienceError } from '../../src/shared/errors.js';
import { installInstrumentation, type RecordedSpan } from '../../src/shared/instrumentation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { cert, key } from '../support/tls.js';

const closing: Array<() => void> = [];
afterEach(() => {
  closing.splice(0).forEach((close) => close());
  installInstrumentation(undefined);
});

/** A real server that keeps what it was asked. */
async function serve(listener: RequestListener) {
  const requests: IncomingMessage[] = [];
  const server = http.createServer((req, res) => {
    requests.push(req);
    listener(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, requests, baseURL: `http://127.0.0.1:${port}` };
}

function connect(options: ServiceClientOptions): ServiceClient {
  const client = serviceClient('reports', { retry: { base: 0 }, ...options });
  closing.push(() => client.close());
  return client;
}

/** A port without a listener. */
async function closedPort(): Promise<number> {
  const { server, port } = await serve(() => undefined);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers these statuses one after the other, then 200. */
function statuses(...list: number[]): RequestListener {
  return (_req, res) => res.writeHead(list.shift() ?? 200, { 'Content-Type': 'application/json' }).end('{"ok":true}');
}

/** Waits, by turns of the event loop, until something that real sockets bring about is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => new Error('did not fail'),
    (error: unknown) => error,
  );

describe('an axios instance', () => {
  test('with base URL, parameters, JSON both ways, interceptors and its own errors', async () => {
    const { baseURL, requests } = await serve((req, res) => {
      if (req.url === '/missing') return res.writeHead(404).end('{"code":"NOT_FOUND"}');
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => res.end(JSON.stringify({ echo: Buffer.concat(chunks).toString() })));
    });
    const client = connect({ baseURL: `${baseURL}/api` });
    client.interceptors.request.use((config) => {
      config.headers.set('X-Mine', '1');
      return config;
    });
    const posted = await client.post('/items', { a: 1 }, { params: { q: 'x y' } });
    expect(posted.data).toEqual({ echo: '{"a":1}' });
    expect(requests[0]).toMatchObject({ url: '/api/items?q=x+y', headers: { 'x-mine': '1' } });
    const error = await failure(client.get('/missing', { baseURL }));
    expect(axios.isAxiosError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'ERR_BAD_REQUEST', status: 404, response: { data: { code: 'NOT_FOUND' } } });
    expect((await client.get('/missing', { baseURL, validateStatus: () => true })).status).toBe(404);
  });

  test('keeps connections alive', async () => {
    const { baseURL, requests } = await serve(statuses());
    const client = connect({ baseURL });
    for (let i = 0; i < 3; i++) await client.get('/');
    expect(new Set(requests.map((req) => req.socket.remotePort ?? req.socket)).size).toBe(1);
  });

  test('an absolute URL leads to no other host, and no proxy of the environment is used', async () => {
    const other = await serve(statuses());
    const { baseURL, requests } = await serve(statuses());
    process.env.HTTP_PROXY = other.baseURL;
    closing.push(() => delete process.env.HTTP_PROXY);
    const client = connect({ baseURL });
    await client.get(`${other.baseURL}/elsewhere`);
    expect(other.requests).toHaveLength(0);
    expect(requests).toHaveLength(1);
  });

  test('follows no redirect, so no loop of them either', async () => {
    const { baseURL, requests } = await serve((_req, res) => res.writeHead(302, { Location: '/' }).end());
    expect(await failure(connect({ baseURL }).get('/'))).toMatchObject({ status: 302 });
    expect(requests).toHaveLength(1);
  });

  test('wrong options are named', () => {
    const baseURL = 'http://127.0.0.1:1';
    expect(() => serviceClient('x', {})).toThrow(/'baseURL' and 'router'/);
    expect(() => serviceClient('x', { baseURL, router: { routeRequest: () => null, recordLatency: () => undefined } })).toThrow(TypeError); // prettier-ignore
    expect(() => serviceClient('x', { baseURL: 'reports:3008' })).toThrow(/baseURL.*URL/);
    expect(() => serviceClient('', { baseURL })).toThrow(/name/);
    expect(() => serviceClient('x', { baseURL, retry: { retrys: 3 } as never })).toThrow(/did you mean 'retries'/);
    expect(() => serviceClient('x', { baseURL, circuitBreaker: { probes: 0 } })).toThrow(/probes/);
    expect(() => serviceClient('x', { baseURL, timeout: 0 })).toThrow(/timeout/);
  });
});

describe('retries', () => {
  test.each([502, 503, 504])('an idempotent request is tried again on %d', async (status) => {
    const { baseURL, requests } = await serve(statuses(status, status));
    const client = connect({ baseURL });
    expect((await client.put('/', { a: 1 })).status).toBe(200);
    expect(requests).toHaveLength(3);
    expect(client.getStats()).toMatchObject({ requests: 1, attempts: 3, retries: 2, active: 0 });
  });

  test.each([
    ['500', 'get', 500],
    ['404', 'get', 404],
    ['503 of a POST', 'post', 503],
    ['503 of a PATCH', 'patch', 503],
  ] as const)('not on %s', async (_, method, status) => {
    const { baseURL, requests } = await serve(statuses(status));
    expect(await failure(connect({ baseURL })[method]('/'))).toMatchObject({ status });
    expect(requests).toHaveLength(1);
  });

  test('the last answer stands when none was better', async () => {
    const { baseURL, requests } = await serve(statuses(503, 503, 503, 503));
    const error = await failure(connect({ baseURL }).get('/'));
    expect(error).toMatchObject({ status: 503, code: 'ERR_BAD_RESPONSE', response: { data: { ok: true } } });
    expect(requests).toHaveLength(3);
  });

  test('a reset connection: GET again, POST never, since it may have happened', async () => {
    let calls = 0;
    const listener = (req: IncomingMessage, res: ServerResponse): void => {
      calls++;
      if (calls % 2 === 1) req.socket.destroy();
      else res.end('good');
    };
    const { baseURL } = await serve(listener);
    const client = connect({ baseURL });
    expect((await client.get('/')).data).toBe('good');
    expect(await failure(client.post('/', { pay: 1 }))).toMatchObject({ code: 'ECONNRESET' });
    expect(calls).toBe(3);
  });

  test('where nothing was sent, a POST is tried again, and the error names the cause', async () => {
    const client = connect({ baseURL: `http://127.0.0.1:${await closedPort()}` });
    expect(await failure(client.post('/', {}))).toMatchObject({ code: 'ECONNREFUSED', isAxiosError: true });
    expect(client.getStats()).toMatchObject({ attempts: 3, retries: 2 });
  });

  test('a body that is a stream is sent once', async () => {
    const { baseURL, requests } = await serve((req, res) => {
      req.resume().on('end', () => res.writeHead(503).end());
    });
    expect(await failure(connect({ baseURL }).put('/', Readable.from(['once'])))).toMatchObject({ status: 503 });
    expect(requests).toHaveLength(1);
  });

  test('Retry-After is waited for when it fits, and given up on when it does not', async () => {
    const answers = [{ 'Retry-After': '2' }, undefined, { 'Retry-After': '3600' }];
    const { baseURL, requests } = await serve((_req, res) => {
      const fields = answers.shift();
      res.writeHead(fields === undefined ? 200 : 503, fields).end();
    });
    const clock = new FakeClock();
    const client = connect({ baseURL, clock, dedupe: false });
    const waiting = client.get('/');
    await until(() => requests.length === 1 && clock.pendingTimers === 2); // the deadline and the wait
    await clock.advance(1999);
    expect(requests).toHaveLength(1);
    await clock.advance(1);
    expect((await waiting).status).toBe(200);
    expect(await failure(client.get('/'))).toMatchObject({ status: 503 });
    expect(requests).toHaveLength(3);
    expect(clock.pendingTimers).toBe(0);
  });

  test('`retry: false` is one attempt', async () => {
    const { baseURL, requests } = await serve(statuses(503));
    expect(await failure(connect({ baseURL, retry: false }).get('/'))).toMatchObject({ status: 503 });
    expect(requests).toHaveLength(1);
  });

  test('the budget bounds the retries of all requests together', async () => {
    const { baseURL, requests } = await serve((_req, res) => res.writeHead(503).end());
    const client = connect({
      baseURL,
      dedupe: false,
      circuitBreaker: false,
      retry: { retries: 5, budget: { min: 2, ratio: 0 } },
    });
    await Promise.all(Array.from({ length: 20 }, () => failure(client.get('/'))));
    expect(requests.length).toBeLessThan(20 + 20);
    expect(client.getStats()).toMatchObject({ active: 0 });
    expect(requests).toHaveLength(20 + client.getStats().retries);
  });
});

describe('deadline', () => {
  test('a peer that never answers: axios timeout error, counted as its failure', async () => {
    const { baseURL, requests } = await serve(() => undefined);
    const clock = new FakeClock();
    const client = connect({ baseURL, clock, timeout: 3000, circuitBreaker: { failureThreshold: 1 } });
    const error = failure(client.get('/slow'));
    await until(() => requests.length === 1);
    await clock.advance(3000);
    expect(await error).toMatchObject({ code: 'ECONNABORTED', message: 'timeout of 3000ms exceeded' });
    expect(axios.isAxiosError(await error)).toBe(true);
    expect(client.getStats().circuits).toEqual({ [baseURL]: 'open' });
    expect(clock.pendingTimers).toBe(0);
  });

  test("a request's own timeout takes precedence, and all attempts share it", async () => {
    const { baseURL, requests } = await serve(() => undefined);
    const clock = new FakeClock();
    const client = connect({ baseURL, clock, retry: { attemptTimeout: 400, base: 0 } });
    const error = failure(client.get('/slow', { timeout: 1000 }));
    for (let i = 1; i <= 3; i++) {
      await until(() => requests.length === i);
      await clock.advance(i < 3 ? 400 : 200);
    }
    expect(await error).toMatchObject({ message: 'timeout of 1000ms exceeded' });
  });

  test('a body that trickles is cut off at the deadline', async () => {
    const { baseURL } = await serve((_req, res) => void res.write('{"first":'));
    const clock = new FakeClock();
    const client = connect({ baseURL, clock, timeout: 500 });
    const error = failure(client.get('/'));
    await until(() => clock.pendingTimers === 1);
    await clock.advance(500);
    expect(await error).toMatchObject({ code: 'ECONNABORTED' });
  });

  test('the caller cancels: CanceledError, the connection is ended, no failure of the peer', async () => {
    let closed = false;
    const { baseURL, requests } = await serve((_req, res) => res.once('close', () => (closed = true)));
    const client = connect({ baseURL, circuitBreaker: { failureThreshold: 1 } });
    const controller = new AbortController();
    const error = failure(client.get('/', { signal: controller.signal }));
    await until(() => requests.length === 1);
    controller.abort();
    expect(axios.isCancel(await error)).toBe(true);
    await until(() => closed);
    expect(client.getStats()).toMatchObject({ active: 0, circuits: { [baseURL]: 'closed' } });
  });
});

describe('circuit breaking', () => {
  test('opens per peer, refuses with CIRCUIT_OPEN, reports each change, and closes after a good probe', async () => {
    let broken = true;
    const { baseURL, requests } = await serve((_req, res) => res.writeHead(broken ? 500 : 200).end());
    const clock = new FakeClock();
    const client = connect({ baseURL, clock, circuitBreaker: { failureThreshold: 2, openDuration: 1000 } });
    const changes: string[] = [];
    client.onCircuitChange(({ service, peer, state }) => changes.push(`${service} ${peer} ${state}`));
    for (let i = 0; i < 2; i++) await failure(client.get('/'));
    const refusal = await failure(client.get('/'));
    expect(refusal).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfter: 1 });
    expect((refusal as Error).message).not.toContain('127.0.0.1');
    expect(requests).toHaveLength(2);
    broken = false;
    clock.tick(1000);
    expect((await client.get('/')).status).toBe(200);
    expect(changes).toEqual(['open', 'half-open', 'closed'].map((state) => `reports ${baseURL} ${state}`));
  });

  test('4xx and 501 are answers, not failures; `false` is no breaker', async () => {
    const { baseURL } = await serve(statuses(400, 404, 429, 501));
    const client = connect({ baseURL, circuitBreaker: { failureThreshold: 1 } });
    for (let i = 0; i < 4; i++) await failure(client.get('/'));
    expect(client.getStats().circuits).toEqual({ [baseURL]: 'closed' });
    expect(connect({ baseURL, circuitBreaker: false }).getStats().circuits).toEqual({});
  });

  test('an oversized answer is the request that fails, not the peer', async () => {
    const zeros = gzipSync(Buffer.alloc(1_000_000));
    const { baseURL } = await serve((_req, res) => res.writeHead(200, { 'Content-Encoding': 'gzip' }).end(zeros));
    const client = connect({ baseURL, maxContentLength: 10_000, circuitBreaker: { failureThreshold: 1 } });
    const error = await failure(client.get('/'));
    expect((error as Error).message).toMatch(/maxContentLength/);
    expect(client.getStats()).toMatchObject({ attempts: 1, circuits: { [baseURL]: 'closed' } });
  });
});

describe('identical GETs at the same time', () => {
  /** Answers when the test releases it. */
  async function held(body = '{"list":[1]}') {
    const responses: ServerResponse[] = [];
    const all = await serve((_req, res) => void responses.push(res));
    const release = (): void => responses.splice(0).forEach((res) => res.end(body));
    return { ...all, release };
  }

  test('are sent once, and each caller has a body of its own', async () => {
    const { baseURL, requests, release } = await held();
    const client = connect({ baseURL });
    const calls = Array.from({ length: 10 }, () => client.get<{ list: number[] }>('/x', { params: { a: 1 } }));
    await until(() => requests.length === 1);
    release();
    const responses = await Promise.all(calls);
    responses[0]!.data.list.push(2);
    responses[0]!.headers['x-changed'] = 'yes';
    expect(responses[1]!.data).toEqual({ list: [1] });
    expect(responses[1]!.headers).not.toHaveProperty('x-changed');
    expect(requests).toHaveLength(1);
    expect(client.getStats()).toMatchObject({ requests: 10, shared: 9, attempts: 1 });
  });

  test('binary bodies are not shared memory', async () => {
    const { baseURL, requests, release } = await held('abc');
    const client = connect({ baseURL });
    const calls = [1, 2].map(() => client.get<Buffer>('/x', { responseType: 'arraybuffer' }));
    await until(() => requests.length === 1);
    release();
    const [one, other] = await Promise.all(calls);
    one!.data[0] = 0;
    expect(other!.data.toString()).toBe('abc');
  });

  test.each<[string, object, object]>([
    ['credentials', { headers: { Authorization: 'Bearer a' } }, { headers: { Authorization: 'Bearer b' } }],
    ['cookies', { headers: { Cookie: 'id=a' } }, {}],
    ['a credential header of their own', { headers: { 'X-Api-Key': 'a' } }, { headers: { 'X-Api-Key': 'b' } }],
    ['axios credentials', { auth: { username: 'a', password: 'x' } }, {}],
    ['parameters', { params: { page: 1 } }, { params: { page: 2 } }],
    ['the language asked for', { headers: { 'Accept-Language': 'de' } }, { headers: { 'Accept-Language': 'fr' } }],
    ['the type of body', { responseType: 'text' }, {}],
  ])('differing in %s are not identical', async (_, a, b) => {
    const { baseURL, requests, release } = await held();
    const client = connect({ baseURL });
    const calls = [client.get('/x', a), client.get('/x', b)];
    await until(() => requests.length === 2);
    release();
    await Promise.all(calls);
  });

  test('differing in the trace only are', async () => {
    const { baseURL, requests, release } = await held();
    const client = connect({ baseURL });
    const calls = ['1', '2'].map((id) => client.get('/x', { headers: { 'X-Request-Id': id, traceparent: id } }));
    await until(() => requests.length === 1);
    release();
    await Promise.all(calls);
    expect(requests).toHaveLength(1);
  });

  test('other methods, streams and `dedupe: false` are sent each', async () => {
    const { baseURL, requests, release } = await held();
    const client = connect({ baseURL });
    const undeduped = connect({ baseURL, dedupe: false });
    const calls = [
      client.post('/x', {}),
      client.post('/x', {}),
      client.get('/x', { responseType: 'stream' }),
      client.get('/x', { responseType: 'stream' }),
      undeduped.get('/x'),
      undeduped.get('/x'),
    ];
    await until(() => requests.length === 6);
    release();
    await Promise.all(calls);
  });

  test("one caller's abort or timeout is its own; the last one's ends the request", async () => {
    let closed = false;
    const { baseURL, requests, server } = await held();
    server.on('request', (_req, res: ServerResponse) => res.once('close', () => (closed = true)));
    const clock = new FakeClock();
    const client = connect({ baseURL, clock });
    const controller = new AbortController();
    const aborted = failure(client.get('/x', { signal: controller.signal }));
    const impatient = failure(client.get('/x', { timeout: 100 }));
    const patient = failure(client.get('/x', { timeout: 5000 }));
    await until(() => requests.length === 1);
    controller.abort();
    expect(axios.isCancel(await aborted)).toBe(true);
    await clock.advance(100);
    expect(await impatient).toMatchObject({ code: 'ECONNABORTED' });
    expect([closed, requests.length]).toEqual([false, 1]);
    await clock.advance(4900);
    expect(await patient).toMatchObject({ message: 'timeout of 5000ms exceeded' });
    await until(() => closed);
    expect(clock.pendingTimers).toBe(0);
  });

  test('each caller judges the status by its own rule, and errors are its own', async () => {
    const responses: ServerResponse[] = [];
    const { baseURL } = await serve((_req, res) => void responses.push(res));
    const client = connect({ baseURL });
    const calls = [
      client.get('/x', { validateStatus: (status) => status === 404 }),
      failure(client.get('/x')),
      failure(client.get('/x')),
    ] as const;
    await until(() => responses.length === 1);
    responses[0]!.writeHead(404).end('{"code":"NOT_FOUND"}');
    const [accepted, one, other] = await Promise.all(calls);
    expect(accepted.data).toEqual({ code: 'NOT_FOUND' });
    expect(one).toMatchObject({ status: 404, response: { data: { code: 'NOT_FOUND' } } });
    expect(one).not.toBe(other);
  });
});

describe('with a router', () => {
  function routing(targets: Array<RoutedTarget | null>) {
    const recorded: Array<[string, boolean | undefined]> = [];
    let next = 0;
    const router = {
      routeRequest: jest.fn((_service: string) => targets[next++ % targets.length] ?? null),
      recordLatency: (target: RoutedTarget, latency: number, ok?: boolean) => {
        expect(latency).toBeGreaterThanOrEqual(0);
        recorded.push([target.id, ok]);
      },
    };
    return { router, recorded };
  }
  const at = (id: string, port: number): RoutedTarget => ({ id, host: '127.0.0.1', port });

  test('each attempt goes where it says, another instance after a failure, and it learns what came of it', async () => {
    const good = await serve(statuses());
    const bad = await serve((_req, res) => res.writeHead(503).end());
    const targets = [at('bad', bad.port), at('bad', bad.port), at('good', good.port)];
    const { router, recorded } = routing(targets);
    const client = connect({ router });
    expect((await client.get('/x')).status).toBe(200);
    expect(router.routeRequest).toHaveBeenCalledWith('reports');
    expect(recorded).toEqual([
      ['bad', false],
      ['good', true],
    ]);
    expect(bad.requests).toHaveLength(1);
  });

  test('an instance whose circuit is open is passed over', async () => {
    const good = await serve(statuses());
    const bad = await serve((_req, res) => res.writeHead(500).end());
    const { router } = routing([at('bad', bad.port), at('good', good.port)]);
    const client = connect({ router, retry: false, circuitBreaker: { failureThreshold: 1 } });
    await failure(client.get('/x'));
    for (let i = 0; i < 10; i++) expect((await client.get('/x')).status).toBe(200);
    expect(bad.requests).toHaveLength(1);
  });

  test('having no target, or only targets with open circuits, is an error of the kit', async () => {
    const { router } = routing([null]);
    expect(await failure(connect({ router }).get('/x'))).toMatchObject({ code: 'NO_TARGET_AVAILABLE', status: 503 });
    const bad = await serve((_req, res) => res.writeHead(500).end());
    const client = connect({ router: routing([at('bad', bad.port)]).router, circuitBreaker: { failureThreshold: 1 } });
    await failure(client.get('/x'));
    expect(await failure(client.get('/x'))).toMatchObject({ code: 'CIRCUIT_OPEN' });
  });

  test('a TLS instance, by an agent that trusts it, which all requests then share', async () => {
    const requests: string[] = [];
    const server = https.createServer({ key, cert }, (req, res) => {
      requests.push(req.url!);
      setImmediate(() => res.end('secure'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const client = connect({ router: routing([{ ...at('tls', port), protocol: 'https' }]).router, retry: false });
    expect(await failure(client.get('/untrusted'))).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    const agent = new https.Agent({ ca: cert, keepAlive: true });
    closing.push(() => agent.destroy());
    client.defaults.httpsAgent = agent;
    const answers = await Promise.all([client.get('/x'), client.get('/x')]);
    expect(answers.map((answer) => answer.data)).toEqual(['secure', 'secure']);
    expect(requests).toEqual(['/x']);
  });

  test('an IPv6 instance is addressed in brackets', async () => {
    const server = http.createServer((_req, res) => res.end('six'));
    const listening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true));
    });
    if (!listening) return; // no IPv6 on this machine
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const { router } = routing([{ id: 'six', host: '::1', port }]);
    expect((await connect({ router }).get('/')).data).toBe('six');
  });
});

describe('the trace', () => {
  test('travels with every attempt, in a span of its own that records the outcome but not the query', async () => {
    const spans: Array<{ attributes: Record<string, unknown>; ended?: unknown }> = [];
    installInstrumentation({
      startSpan: (operation, attributes) => {
        const span = {
          attributes: { operation, ...attributes } as Record<string, unknown>,
          ended: 'not yet' as unknown,
        };
        spans.push(span);
        const recorded: RecordedSpan = {
          setAttribute: (name, value) => (span.attributes[name] = value),
          inject: (headers) => (headers.traceparent = `00-trace-${spans.length}-01`),
          end: (error) => (span.ended = error),
        };
        return recorded;
      },
      inject: () => undefined,
      current: () => undefined,
      currentRoute: () => undefined,
      nameRoute: () => undefined,
      bind: (callback) => callback,
    });
    const { baseURL, requests } = await serve(statuses(503));
    await connect({ baseURL }).get('/x?token=secret');
    expect(requests.map((req) => req.headers.traceparent)).toEqual(['00-trace-1-01', '00-trace-2-01']);
    expect(spans).toMatchObject([
      {
        attributes: { operation: 'http.client', 'http.response.status_code': 503 },
        ended: { message: 'answered 503' },
      },
      { attributes: { 'http.request.resend_count': 1, 'http.response.status_code': 200 }, ended: undefined },
    ]);
    expect(spans[0]!.attributes).toMatchObject({
      'peer.service': 'reports',
      'http.request.method': 'GET',
      'url.path': '/x',
    });
    expect(JSON.stringify(spans)).not.toContain('secret');
  });

  test('travels when nothing is recorded, too', async () => {
    installInstrumentation({
      startSpan: () => undefined,
      inject: (headers) => (headers.traceparent = '00-unsampled-00'),
      current: () => undefined,
      currentRoute: () => undefined,
      nameRoute: () => undefined,
      bind: (callback) => callback,
    });
    const { baseURL, requests } = await serve(statuses());
    await connect({ baseURL }).get('/x');
    expect(requests[0]!.headers.traceparent).toBe('00-unsampled-00');
  });
});

describe('upstreamError', () => {
  test('turns the error of a call into an error for the client, without addresses', async () => {
    const { baseURL } = await serve((req, res) => {
      if (req.url === '/garbage') return void req.socket.end('this is no HTTP\r\n\r\n');
      if (req.url !== '/hang') res.writeHead(Number(req.url!.slice(1))).end();
    });
    const client = connect({ baseURL, retry: false, circuitBreaker: false });
    const codeOf = async (promise: Promise<unknown>): Promise<string> => {
      const error = upstreamError(await failure(promise), 'reports');
      expect(error.message).not.toContain('127.0.0.1');
      return error.code;
    };
    expect(await codeOf(client.get('/500'))).toBe('UPSTREAM_INVALID');
    expect(await codeOf(client.get('/404'))).toBe('UPSTREAM_INVALID');
    expect(await codeOf(client.get('/hang', { timeout: 50 }))).toBe('UPSTREAM_TIMEOUT');
    expect(await codeOf(client.get('/garbage'))).toBe('UPSTREAM_INVALID');
    expect(await codeOf(client.get('/200', { signal: AbortSignal.abort() }))).toBe('CLIENT_CLOSED_REQUEST');
    const nowhere = connect({ baseURL: `http://127.0.0.1:${await closedPort()}` });
    expect(await codeOf(nowhere.get('/'))).toBe('UPSTREAM_REFUSED');
    expect(await codeOf(Promise.reject(new TypeError('a bug')))).toBe('INTERNAL');
    const own = new ResilienceError('CIRCUIT_OPEN', 'reports: open');
    expect(upstreamError(own)).toBe(own);
  });
});

test('closing ends idle connections, twice as well', async () => {
  let open = 0;
  const { baseURL, server } = await serve(statuses());
  server.on('connection', (socket: Socket) => {
    open++;
    socket.once('close', () => open--);
  });
  const client = connect({ baseURL });
  await client.get('/');
  client.close();
  client.close();
  await client[Symbol.asyncDispose]();
  await until(() => open === 0);
});
