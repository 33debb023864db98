/**
 * The async context of a request is entered where code of the application begins, and not before. This changes no trace,
 * and all code of the application sees its own request.
 */
import express from 'express';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import {
  cacheResponse,
  compose,
  currentTrace,
  DistributedTracer,
  healthEndpoints,
  proxyBalanced,
  rateLimit,
  trace,
  type Handler,
  type TraceView,
} from '../../src/index.js';
import { isPlainData, NEEDS_NO_CONTEXT } from '../../src/shared/request-context.js';
import { eventually } from '../support/eventually.js';
import fc from '../support/fast-check.js';

const MANY = 1e6;
const storage = (globalThis as unknown as Record<symbol, AsyncLocalStorage<unknown>>)[
  Symbol.for('@tooloo/resilience:context')
]!;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(listener: RequestListener): Promise<number> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function closing<T extends { close(): unknown }>(part: T): T {
  cleanups.push(() => part.close());
  return part;
}

/** By path: what an origin can answer. */
const ANSWERS: Readonly<Record<string, RequestListener>> = {
  '/plain': (_req, res) => void res.end('plain'),
  '/kept': (_req, res) => void res.setHeader('Cache-Control', 'max-age=60').end('kept'),
  '/stale': (_req, res) => void res.setHeader('Cache-Control', 'max-age=0, stale-while-revalidate=60').end('stale'),
  '/checked': (req, res) => {
    res.setHeader('Cache-Control', 'no-cache').setHeader('ETag', '"1"');
    res.statusCode = req.headers['if-none-match'] === '"1"' ? 304 : 200;
    res.end();
  },
  '/large': (_req, res) => void res.end(Buffer.alloc(200_000)),
  '/failed': (_req, res) => void res.writeHead(503).end(),
  '/gone': (req) => req.socket.destroy(),
};
const answered: RequestListener = (req, res) => (ANSWERS[req.url!] ?? ANSWERS['/plain']!)(req, res);
const PATHS = [...Object.keys(ANSWERS), '/livez'];
const METHODS = ['GET', 'HEAD', 'POST'];

interface Sent {
  readonly method: string;
  readonly path: string;
}

const anyRequest: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom(...METHODS),
  path: fc.constantFrom(...PATHS),
});

/** A gateway of the five, in front of an origin of its own, with other middleware directly behind `trace`. */
async function gateway(...behindTrace: Handler[]): Promise<Gateway> {
  const reached: Reached[] = [];
  const origin = await listening((req, res) => {
    reached.push({ method: req.method, path: req.url, traceparent: req.headers['traceparent'] as string | undefined });
    answered(req, res);
  });
  const tracer = closing(new DistributedTracer({ serviceName: 'late', samplingRate: 1 }));
  const cache = closing(cacheResponse());
  const port = await listening(
    compose(
      closing(trace({ tracer })),
      ...behindTrace,
      closing(healthEndpoints()),
      closing(rateLimit({ rateLimit: MANY, refillRate: MANY })),
      cache,
      closing(proxyBalanced({ targets: [`http://127.0.0.1:${origin}`], retry: { attempts: 1 } })),
    ),
  );
  return { port, tracer, cache, reached };
}

interface Reached {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly traceparent: string | undefined;
}

interface Gateway {
  readonly port: number;
  readonly tracer: DistributedTracer;
  readonly cache: ReturnType<typeof cacheResponse>;
  readonly reached: Reached[];
}

async function send(port: number, { method, path }: Sent): Promise<number> {
  const body = method === 'POST' ? 'a'.repeat(1000) : undefined;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body !== undefined && { body }) });
  await response.arrayBuffer();
  return response.status;
}

const OF_THIS_RUN = new Set(['server.port', 'client.port', 'network.peer.port', 'network.local.port']);

/** The content of a trace apart from ids, times and ports: each span with the operation of its parent. */
function described({ spans }: TraceView): object[] {
  const nameOf = new Map(spans.map(({ spanId, operation }) => [spanId, operation]));
  return spans.map(({ parentSpanId, operation, kind, status, error, attributes }) => ({
    operation,
    kind,
    status,
    error,
    parent: nameOf.get(parentSpanId ?? ''),
    attributes: Object.entries(attributes).filter(([name]) => !OF_THIS_RUN.has(name)),
  }));
}

/** All that a gateway says about some requests, sent one after the other. */
async function account({ port, tracer, cache, reached }: Gateway, requests: readonly Sent[]): Promise<object> {
  const statuses: number[] = [];
  for (const one of requests) {
    statuses.push(await send(port, one));
    await eventually(
      () => cache.stats().inFlight + tracer.getMetrics().activeTraces,
      (active) => active === 0,
    );
  }
  const traces = tracer.listTraces({ limit: 100 }).map(({ traceId }) => tracer.getTrace(traceId)!);
  // The span of its trace that each request named to the origin.
  const named = reached.map(({ method, path, traceparent = '' }) => {
    const [, traceId, spanId] = traceparent.split('-');
    const span = traces.find((one) => one.traceId === traceId)?.spans.find((one) => one.spanId === spanId);
    return { method, path, by: span?.operation };
  });
  return { statuses, named, traces: traces.map(described), operations: countsOf(tracer) };
}

function countsOf(tracer: DistributedTracer): object {
  return Object.entries(tracer.getMetrics().operations).map(([name, { count, errors }]) => [name, count, errors]);
}

async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

describe('where no code of the application follows', () => {
  test('the context is never entered, and the traces are those of a chain that enters it', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
    const entered = jest.spyOn(storage, 'run');
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(anyRequest, { minLength: 1, maxLength: 8 }), async (requests) => {
          const without = await account(await gateway(), requests);
          const isFree = requests.every(({ path }) => path !== '/stale' && path !== '/livez');
          if (isFree) expect(entered).not.toHaveBeenCalled();
          entered.mockClear();
          const within = await account(await gateway((_req, _res, next) => next()), requests);
          expect(entered).toHaveBeenCalled();
          entered.mockClear();
          expect(without).toEqual(within);
          await cleanUp();
        }),
        { numRuns: 25 },
      );
    } finally {
      entered.mockRestore();
      warn.mockRestore();
    }
  });

  test('pipelined requests are traced each on their own', async () => {
    const { port, tracer, reached } = await gateway();
    const socket = net.connect(port, '127.0.0.1');
    const paths = ['/plain', '/kept', '/large', '/plain', '/kept'];
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: late.example\r\n\r\n`).join(''));
    socket.resume();
    await eventually(
      () => tracer.listTraces().length,
      (count) => count === paths.length,
    );
    socket.destroy();
    for (const { traceId } of tracer.listTraces()) {
      const { spans, operation } = tracer.getTrace(traceId)!;
      expect(operation).toBe('GET /*');
      const attempts = spans.filter((span) => span.operation === 'proxy.attempt');
      const named = reached.filter(({ traceparent }) => traceparent?.includes(traceId));
      expect(named.map(({ traceparent }) => traceparent?.split('-')[2])).toEqual(attempts.map((span) => span.spanId));
    }
    expect(reached.length).toBe(paths.length - 1); // one of them is a hit
  });
});

/** The trace that code sees, now and later, beside the one that its client sent. */
interface Sight {
  readonly where: string;
  readonly sent: unknown;
  readonly seen: string | undefined;
}

describe('all code of the application sees the trace of its request', () => {
  const origin = { url: '' };
  beforeEach(async () => {
    origin.url = `http://127.0.0.1:${await listening(answered)}`;
  });

  const sights: Sight[] = [];
  const look = (where: string, req: IncomingMessage): void => {
    sights.push({ where, sent: req.headers['x-sent'], seen: currentTrace()?.traceId });
  };

  /** By name: middleware of the kit with options that contain no code. */
  const KIT: Readonly<Record<string, () => Handler>> = {
    health: () => closing(healthEndpoints()),
    limit: () => closing(rateLimit({ rateLimit: MANY, refillRate: MANY })),
    cache: () => closing(cacheResponse()),
    'proxy elsewhere': () => closing(proxyBalanced({ targets: [origin.url], prefix: '/elsewhere' })),
  };

  /** By name: code of an application. */
  const OWN: Readonly<Record<string, () => Handler>> = {
    passing: () => (req, _res, next) => {
      look('passing', req);
      setImmediate(() => {
        look('passing, later', req);
        next();
      });
    },
    'async, passing': () => async (req, _res, next) => {
      await Promise.resolve();
      look('async', req);
      next();
    },
    'router of Express': () =>
      express.Router().use((req, _res, next) => {
        look('router', req);
        next();
      }) as Handler,
    'limit by key': () =>
      closing(
        rateLimit({
          rateLimit: MANY,
          refillRate: MANY,
          key: (req) => {
            look('key of the limit', req);
            return 'one';
          },
        }),
      ),
    'cache by key': () =>
      closing(
        cacheResponse({
          key: (req) => {
            look('key of the cache', req);
            return req.url!;
          },
        }),
      ),
  };

  /** By name: the last handler of a chain. */
  const LAST: Readonly<Record<string, () => Handler>> = {
    handler: () => async (req, res) => {
      look('handler', req);
      await new Promise((resolve) => setImmediate(resolve));
      look('handler, later', req);
      res.on('finish', () => look('finish', req)).end('answer');
    },
    'application of Express': () =>
      express().get('/plain', (req, res) => {
        look('route', req);
        res.send('answer');
      }),
    'proxy with a hook': () =>
      closing(
        proxyBalanced({
          targets: [origin.url],
          onRequestHeaders: (headers, req) => {
            look('hook of the proxy', req);
            return headers;
          },
        }),
      ),
    proxy: () => closing(proxyBalanced({ targets: [origin.url] })),
  };

  const names = (of: object): fc.Arbitrary<string> => fc.constantFrom(...Object.keys(of));
  const anyPart = fc.oneof({ weight: 3, arbitrary: names(KIT) }, { weight: 1, arbitrary: names(OWN) });

  test('wherever it is in a chain', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(names(KIT), { maxLength: 2 }),
        fc.array(anyPart, { maxLength: 5 }),
        names(LAST),
        fc.boolean(),
        async (before, after, last, isNested) => {
          sights.length = 0;
          const parts = after.map((name) => (KIT[name] ?? OWN[name]!)());
          const tracing = closing(trace({ samplingRate: 1 }));
          const chain = [...before.map((name) => KIT[name]!()), tracing, ...parts];
          const end = LAST[last]!();
          // Behind a chain that passes on there is code of the application too.
          const port = await listening(isNested ? express().use(compose(...chain), end) : compose(...chain, end));
          for (const id of ['1', '2']) {
            const traceId = id.repeat(32);
            const headers = { traceparent: `00-${traceId}-${'a'.repeat(16)}-01`, 'x-sent': traceId };
            const response = await fetch(`http://127.0.0.1:${port}/plain`, { headers });
            expect(response.status).toBe(200);
            await response.arrayBuffer();
          }
          await eventually(
            () => tracing.tracer.getMetrics().activeTraces,
            (active) => active === 0,
          );
          expect(sights.filter(({ sent, seen }) => sent !== seen)).toEqual([]);
          const isAnyOwn = last !== 'proxy' || after.some((name) => name in OWN);
          expect(sights.length > 0).toBe(isAnyOwn);
          await cleanUp();
          origin.url = `http://127.0.0.1:${await listening(answered)}`;
        },
      ),
      { numRuns: 60 },
    );
  });

  const SENT = { traceparent: `00-${'5'.repeat(32)}-${'a'.repeat(16)}-01` };
  const ask = async (port: number, path = '/plain'): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers: SENT })).status;
  const seen = (): string | undefined => currentTrace()?.traceId;

  test('in a listener that code in front of the chain added to the response', async () => {
    const chain = compose(closing(trace()), closing(rateLimit({ rateLimit: 1, refillRate: 1e-6 })));
    const finished: unknown[] = [];
    const port = await listening((req, res) => {
      res.on('finish', () => finished.push(seen()));
      chain(req, res);
    });
    expect([await ask(port), await ask(port)]).toEqual([404, 429]);
    expect(finished).toEqual(['5'.repeat(32), '5'.repeat(32)]);
  });

  test('in a method of the response that code in front of the chain replaced', async () => {
    const chain = compose(closing(trace()), closing(rateLimit({ rateLimit: 1, refillRate: 1e-6 })));
    const ended: unknown[] = [];
    const port = await listening((req, res) => {
      const end = res.end.bind(res) as (...args: unknown[]) => ServerResponse;
      res.end = (...args: unknown[]) => {
        ended.push(seen());
        return end(...args);
      };
      chain(req, res);
    });
    expect([await ask(port), await ask(port)]).toEqual([404, 429]);
    expect(ended).toEqual(['5'.repeat(32), '5'.repeat(32)]);
  });

  test('in a probe, in a listener of the tracer, and in one of the warning of a failure', async () => {
    const health = closing(healthEndpoints());
    const probed: unknown[] = [];
    health.probes.registerLivenessProbe('own', () => {
      probed.push(seen());
      return true;
    });
    const tracing = closing(trace());
    const ends: unknown[] = [];
    tracing.tracer.onRequest(() => ends.push(seen()));
    const failing: Handler = Object.assign(
      (_req: unknown, _res: unknown, next: (error: unknown) => void) => next(new Error('it failed')),
      { [NEEDS_NO_CONTEXT]: true },
    );
    // The process reports a warning in a tick of its own.
    const warned = new Promise((resolve) => {
      jest.spyOn(process, 'emitWarning').mockImplementation(() => process.nextTick(() => resolve(seen())));
    });
    cleanups.push(() => jest.restoreAllMocks());
    const port = await listening(compose(tracing, health, failing));
    expect([await ask(port, '/livez'), await ask(port)]).toEqual([200, 500]);
    expect(await warned).toBe('5'.repeat(32));
    await eventually(
      () => ends.length,
      (count) => count === 2,
    );
    expect([...probed, ...ends]).toEqual(Array(3).fill('5'.repeat(32)));
  });

  test('where the request arrives within a trace of the application', async () => {
    const tracer = closing(new DistributedTracer({ samplingRate: 1 }));
    const chain = compose(closing(trace({ tracer })), closing(healthEndpoints()), (req, res) => {
      look('handler', req);
      res.end();
    });
    const port = await listening((req, res) => tracer.trace('outside', () => chain(req, res)));
    sights.length = 0;
    await ask(port);
    expect(sights.map((sight) => sight.seen)).toEqual(['5'.repeat(32)]);
  });

  test('and what it keeps in a storage of its own reaches the code behind the chain', async () => {
    const own = new AsyncLocalStorage<string>();
    const chain = compose(
      closing(trace()),
      closing(cacheResponse()),
      closing(proxyBalanced({ targets: [origin.url], prefix: '/elsewhere' })),
      (_req, res) => void res.end(own.getStore()),
    );
    const port = await listening((req, res) => own.run('mine', () => chain(req, res)));
    const response = await fetch(`http://127.0.0.1:${port}/plain`);
    expect(await response.text()).toBe('mine');
  });
});

test('plain data contains no code, at any depth', () => {
  const code = fc.constantFrom<unknown>(
    () => 1,
    class {},
    new Map(),
    new DistributedTracer(),
    new Date(),
    new URL('http://a'),
  );
  const plain = fc.anything({ withBigInt: true, withNullPrototype: true });
  fc.assert(fc.property(plain, (value) => isPlainData(value)));
  fc.assert(
    fc.property(code, fc.array(fc.constantFrom('array', 'object'), { maxLength: 4 }), (value, holders) => {
      const held = holders.reduce<unknown>((inner, kind) => (kind === 'array' ? [1, inner] : { a: 1, inner }), value);
      return !isPlainData(held);
    }),
  );
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  expect(isPlainData(cyclic)).toBe(false);
  expect(isPlainData({ targets: ['http://a'], tls: { ca: Buffer.from('x') }, strip: /a/, prefix: undefined })).toBe(
    true,
  );
});
