/** `trace` over real sockets: what begins, what ends, what is reported to whom, and that the numbers are exact. */
import express5 from 'express';
import express4 from 'express4';
import { once } from 'node:events';
import http, { IncomingMessage, ServerResponse } from 'node:http';
import net, { Socket, type AddressInfo } from 'node:net';
import v8 from 'node:v8';
import vm from 'node:vm';
import { compose } from '../../src/middleware/compose.js';
import { healthEndpoints } from '../../src/middleware/health-endpoints.js';
import { proxyBalanced } from '../../src/middleware/proxy-balanced.js';
import { trace, type TraceOptions } from '../../src/middleware/trace.js';
import { currentRoute, currentTrace, injectTrace, nameRoute, startSpan } from '../../src/shared/instrumentation.js';
import type { RequestEnd } from '../../src/tracing/request-trace.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Served {
  readonly url: string;
  readonly port: number;
  readonly tracer: DistributedTracer;
  readonly ends: RequestEnd[];
  /** Once so many requests have ended. */
  readonly ended: (count: number) => Promise<RequestEnd[]>;
}

async function serve(listener: http.RequestListener, tracer: DistributedTracer): Promise<Served> {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ends: RequestEnd[] = [];
  let check = (): void => undefined;
  tracer.onRequest((end) => {
    ends.push(end);
    check();
  });
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await tracer.close();
  });
  const ended = (count: number): Promise<RequestEnd[]> =>
    new Promise((resolve) => {
      check = () => {
        if (ends.length >= count) resolve(ends);
      };
      check();
    });
  return { url: `http://127.0.0.1:${port}`, port, tracer, ends, ended };
}

/** A bare server with one handler behind `trace`. */
function bare(handler: http.RequestListener, options: Omit<TraceOptions, 'tracer'> = {}): Promise<Served> {
  const { serviceName = 'test', samplingRate = 1, keep, ...rest } = options;
  const tracer = new DistributedTracer({ serviceName, samplingRate, ...(keep !== undefined && { keep }) });
  return serve(compose(trace({ tracer, ...rest }), handler), tracer);
}

const answer: http.RequestListener = (_req, res) => void res.end('ok');

describe('a request', () => {
  test('is a trace of its own, known inside, named to the client', async () => {
    let inside: ReturnType<typeof currentTrace>;
    const { url, ended, tracer } = await bare((_req, res) => {
      inside = currentTrace();
      nameRoute('/hello');
      expect(currentRoute()).toBe('/hello');
      res.end();
    });
    const response = await fetch(`${url}/hello`);
    const [end] = await ended(1);
    expect(end).toMatchObject({
      method: 'GET',
      route: '/hello',
      status: 200,
      aborted: false,
      sampled: true,
      ...ids(inside),
    });
    expect(response.headers.get('traceresponse')).toBe(`00-${end?.traceId}-${end?.spanId}-03`);
    expect(tracer.getTrace(end!.traceId)?.spans).toMatchObject([
      {
        kind: 'server',
        operation: 'GET /hello',
        parentSpanId: undefined,
        attributes: {
          'http.request.method': 'GET',
          'http.route': '/hello',
          'http.response.status_code': 200,
          'url.scheme': 'http',
        },
      },
    ]);
  });

  test('belongs to the trace of its caller, whose decision and baggage go on', async () => {
    const outgoing: Record<string, string | undefined> = {};
    const { url, ended, tracer } = await bare(
      (_req, res) => {
        injectTrace(outgoing);
        res.end();
      },
      { samplingRate: 0 },
    );
    const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'rojo=1', baggage: 'user=7' };
    await fetch(url, { headers });
    const [end] = await ended(1);
    expect(tracer.getTrace(TRACE)?.spans[0]).toMatchObject({ parentSpanId: SPAN, traceState: 'rojo=1' });
    expect(outgoing).toEqual({ traceparent: `00-${TRACE}-${end?.spanId}-01`, tracestate: 'rojo=1', baggage: 'user=7' });
  });

  test('with a traceparent that is not valid begins anew, without its tracestate', async () => {
    const outgoing: Record<string, string | undefined> = {};
    const { url, ended } = await bare((_req, res) => {
      injectTrace(outgoing);
      res.end();
    });
    await fetch(url, { headers: { traceparent: `00-${TRACE}-${SPAN}-01-x`, tracestate: 'rojo=1', baggage: 'a=1' } });
    const [end] = await ended(1);
    expect(end?.traceId).not.toBe(TRACE);
    expect(Object.keys(outgoing)).toEqual(['traceparent']);
  });

  test('sent with traceparent twice begins anew', async () => {
    const { port, ended } = await bare(answer);
    const field = `traceparent: 00-${TRACE}-${SPAN}-01\r\n`;
    const socket = net.connect(port, '127.0.0.1');
    socket.end(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${field}${field}\r\n`);
    await once(socket.resume(), 'close');
    expect((await ended(1))[0]?.traceId).not.toBe(TRACE);
  });

  test('that enters the process twice is one trace with two roots', async () => {
    const { url, ended, tracer } = await bare((req, res) => {
      if (req.url === '/inner') return void res.end();
      const headers: Record<string, string> = {};
      injectTrace(headers);
      fetch(`${url}/inner`, { headers }).then(
        () => res.end(),
        () => res.destroy(),
      );
    });
    await fetch(`${url}/outer`);
    const [inner, outer] = await ended(2);
    expect(inner?.traceId).toBe(outer?.traceId);
    const spans = tracer.getTrace(outer!.traceId)!.spans;
    expect(spans.find(({ spanId }) => spanId === inner?.spanId)?.parentSpanId).toBe(outer?.spanId);
    expect(tracer.getMetrics()).toMatchObject({ storedTraces: 1, totalRequests: 2 });
  });

  test('mounted twice is counted once', async () => {
    const tracer = new DistributedTracer();
    const { url, ended } = await serve(compose(trace({ tracer }), trace({ tracer }), answer), tracer);
    await fetch(url);
    await ended(1);
    expect(tracer.getMetrics().totalRequests).toBe(1);
  });

  test('of an unknown method is counted as _OTHER', async () => {
    const { port, ended } = await bare(answer);
    const socket = net.connect(port, '127.0.0.1');
    socket.end('PROPFIND / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await once(socket.resume(), 'close');
    expect((await ended(1))[0]?.method).toBe('_OTHER');
  });
});

function ids(context: ReturnType<typeof currentTrace>) {
  return { traceId: context?.traceId, spanId: context?.spanId };
}

describe.each([
  ['Express 5', express5],
  ['Express 4', express4],
])('a request that does not end well, %s', (_version, express) => {
  async function failing(handler: express5.RequestHandler): Promise<Served> {
    const tracer = new DistributedTracer({ samplingRate: 0 });
    const app = express();
    app.set('env', 'test');
    app.use(trace({ tracer }));
    app.get('/jobs/:id', handler);
    return serve(app, tracer);
  }

  // The requests of a connection that is kept alive are ended in another way than its first.
  describe.each([
    ['the first request of a connection', 0],
    ['a later request of a connection', 2],
  ])('%s', (_name, before) => {
    /** A connection on which so many requests have been answered. */
    async function connect(port: number, ended: Served['ended']): Promise<Socket> {
      const socket = net.connect(port, '127.0.0.1');
      for (let i = 1; i <= before; i++) {
        socket.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n');
        await ended(i);
      }
      socket.resume();
      return socket;
    }

    test('aborted while its handler works: an error without a status, counted for its route', async () => {
      let arrived = (): void => undefined;
      const { port, ended, tracer } = await failing(() => arrived());
      const request = new Promise<void>((resolve) => (arrived = resolve));
      const socket = await connect(port, ended);
      socket.write('GET /jobs/1 HTTP/1.1\r\nHost: a\r\n\r\n');
      await request;
      socket.destroy();
      const end = (await ended(before + 1))[before]!;
      expect(end).toMatchObject({ route: '/jobs/:id', status: undefined, aborted: true });
      expect(tracer.getMetrics()).toMatchObject({ errors: 1, activeTraces: 0 });
      expect(tracer.requestSeries().filter(({ route }) => route === '/jobs/:id')).toMatchObject([
        { status: undefined, errorType: 'aborted', count: 1 },
      ]);
      // Kept although unsampled: it is an error.
      expect(tracer.getTrace(end.traceId)?.tags).not.toHaveProperty('http.response.status_code');
    });

    test('aborted in the middle of its answer: an error without a status', async () => {
      let started = (): void => undefined;
      const { port, ended } = await failing((_req, res) => {
        res.writeHead(200);
        const more = setInterval(() => {
          res.write(Buffer.alloc(65_536));
          started();
        }, 1);
        res.on('close', () => clearInterval(more));
      });
      const answer = new Promise<void>((resolve) => (started = resolve));
      const socket = await connect(port, ended);
      socket.write('GET /jobs/1 HTTP/1.1\r\nHost: a\r\n\r\n');
      await answer;
      socket.destroy();
      const end = (await ended(before + 1))[before]!;
      expect(end).toMatchObject({ route: '/jobs/:id', status: undefined, aborted: true });
    });

    test('pipelined, and the connection goes: all of them are ended', async () => {
      const { port, ended, tracer } = await failing(() => undefined);
      const socket = await connect(port, ended);
      socket.write('GET /jobs/1 HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3));
      while (tracer.getMetrics().activeTraces < 3) await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
      const ends = await ended(before + 3);
      expect(ends.slice(before).map(({ aborted }) => aborted)).toEqual([true, true, true]);
      expect(tracer.getMetrics()).toMatchObject({ activeTraces: 0, totalRequests: before + 3 });
    });

    test('ended by hand while it is served, it is counted once and its connection closes as ever', async () => {
      const { port, ended, tracer } = await failing(() => tracer.endTrace(currentTrace()!.traceId));
      const socket = await connect(port, ended);
      socket.write('GET /jobs/1 HTTP/1.1\r\nHost: a\r\n\r\n');
      await ended(before + 1);
      socket.destroy();
      await once(socket, 'close');
      await fetch(`http://127.0.0.1:${port}/nothing`);
      expect(await ended(before + 2)).toHaveLength(before + 2);
      expect(tracer.getMetrics()).toMatchObject({ activeTraces: 0, totalRequests: before + 2 });
    });
  });

  test('a handler that throws: 500, and what it threw', async () => {
    const { url, ended, tracer } = await failing(() => {
      throw new RangeError('bad luck');
    });
    await fetch(`${url}/jobs/1`);
    const [end] = await ended(1);
    expect(end).toMatchObject({ route: '/jobs/:id', status: 500, aborted: false, error: new RangeError('bad luck') });
    expect(tracer.getTrace(end!.traceId)).toMatchObject({ status: 'error', tags: { 'error.type': 'RangeError' } });
    expect(tracer.getTrace(end!.traceId)?.spans[0]?.error).toBe('bad luck');
  });

  test('a 4xx is an answer, not an error', async () => {
    const { url, ended, tracer } = await failing((_req, res) => void res.status(404).end());
    await fetch(`${url}/jobs/1`);
    expect((await ended(1))[0]).toMatchObject({ route: '/jobs/:id', status: 404 });
    expect(tracer.getMetrics().errors).toBe(0);
  });
});

test('hundreds of requests at once: the numbers are exact and no request sees the trace of another', async () => {
  const seen = new Set<string>();
  const { url, ended, tracer } = await bare(
    (req, res) => {
      const mine = currentTrace()?.traceId;
      setImmediate(() => {
        if (currentTrace()?.traceId === mine && mine !== undefined) seen.add(mine);
        nameRoute(req.url === '/fail' ? '/fail' : '/ok');
        res.statusCode = req.url === '/fail' ? 500 : 200;
        res.end();
      });
    },
    { samplingRate: 0.1 },
  );
  const paths = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? '/fail' : `/ok/${i}`));
  await Promise.all(paths.map(async (path) => (await fetch(url + path)).text()));
  await ended(300);
  const metrics = tracer.getMetrics();
  expect(metrics).toMatchObject({ totalRequests: 300, errors: 100, activeTraces: 0 });
  expect(metrics.operations['GET /ok']).toMatchObject({ count: 200, errors: 0 });
  expect(metrics.operations['GET /fail']).toMatchObject({ count: 100, errors: 100 });
  expect(metrics.keptTraces).toBeGreaterThanOrEqual(100);
  expect(seen.size).toBe(300);
});

test('what answers without a router is counted under a name of its own', async () => {
  const upstream = http.createServer(answer).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port } = upstream.address() as AddressInfo;
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const health = healthEndpoints();
  const proxy = proxyBalanced({ targets: [`http://127.0.0.1:${port}`], prefix: '/reports' });
  cleanups.push(async () => {
    health.close();
    await proxy.close();
    upstream.closeAllConnections();
    await new Promise((resolve) => upstream.close(resolve));
  });
  const { url, ended } = await serve(compose(trace({ tracer }), health, proxy), tracer);
  await (await fetch(`${url}/livez?verbose`)).text();
  await (await fetch(`${url}/reports/7`)).text();
  const ends = await ended(2);
  expect(ends.map(({ route }) => route)).toEqual(['/livez', '/reports/*']);
  expect(tracer.getTrace(ends[1]!.traceId)?.spans.map(({ kind }) => kind)).toEqual(['server', 'client']);
});

describe('options', () => {
  test('ignore: neither traced nor counted', async () => {
    const seen: unknown[] = [];
    const tracer = new DistributedTracer();
    const handler: http.RequestListener = (_req, res) => {
      seen.push(currentTrace());
      res.end();
    };
    const throwing = (): boolean => {
      throw new Error('rule');
    };
    const ignoring = compose(trace({ tracer, ignore: ['/livez'] }), handler);
    const { url, ended } = await serve(ignoring, tracer);
    await fetch(`${url}/livez?verbose`);
    await fetch(`${url}/other`);
    await ended(1);
    expect([seen[0], seen[1] !== undefined, tracer.getMetrics().totalRequests]).toEqual([undefined, true, 1]);

    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const second = await bare(answer, { ignore: throwing });
    await fetch(second.url);
    await second.ended(1);
    expect(warned).toHaveBeenCalled();
    warned.mockRestore();
  });

  test('serverTiming reports where the time went, beside the entries of the handler', async () => {
    const { url } = await bare(
      (_req, res) => {
        startSpan('db query')?.end();
        startSpan('db query')?.end();
        res.setHeader('Server-Timing', 'own;dur=1');
        res.end();
      },
      { serverTiming: true },
    );
    const field = (await fetch(url)).headers.get('server-timing');
    expect(field).toMatch(/^own;dur=1, total;dur=[\d.]+, db_query;dur=[\d.]+$/);
  });

  test.each([
    [{ samplingRate: 0 }, {}, false],
    [{ samplingRate: 0 }, { traceparent: `00-${TRACE}-${SPAN}-00` }, true],
    [{ samplingRate: 1 }, {}, true],
    [{ samplingRate: 0, traceResponse: true }, {}, true],
    [{ samplingRate: 1, traceResponse: false }, { traceparent: `00-${TRACE}-${SPAN}-01` }, false],
  ] as const)('traceresponse: %j, asked with %j: %j', async (options, headers, isSent) => {
    const { url } = await bare(answer, options);
    expect((await fetch(url, { headers })).headers.has('traceresponse')).toBe(isSent);
  });

  test.each([
    [{ b3: `${TRACE}-${SPAN}-1` }, TRACE, true],
    [{ b3: `${TRACE}-${SPAN}-0-aaaaaaaaaaaaaaaa` }, TRACE, false],
    [{ b3: `${TRACE.slice(16)}-${SPAN}-d` }, TRACE.slice(16).padStart(32, '0'), true],
    [{ 'X-B3-TraceId': TRACE.toUpperCase(), 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '0' }, TRACE, false],
    [{ 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Flags': '1', 'X-B3-Sampled': '0' }, TRACE, true],
    [{ b3: `${TRACE}-${SPAN}-0`, traceparent: `00-${'a'.repeat(32)}-${SPAN}-01` }, 'a'.repeat(32), true],
    [{ b3: '0' }, undefined, false],
    [{ b3: `${'0'.repeat(32)}-${SPAN}-1` }, undefined, false],
    [{ b3: `${TRACE}-nonsense-1` }, undefined, false],
  ])('b3: %j', async (headers, traceId, sampled) => {
    const { url, ended } = await bare(answer, { b3: true, samplingRate: 0 });
    await fetch(url, { headers: headers as Record<string, string> });
    const [end] = await ended(1);
    expect(end?.sampled).toBe(sampled);
    if (traceId === undefined) expect(end?.traceId).not.toBe(TRACE);
    else expect(end?.traceId).toBe(traceId);
  });

  test('b3 is not read unless asked for', async () => {
    const { url, ended } = await bare(answer);
    await fetch(url, { headers: { b3: `${TRACE}-${SPAN}-1` } });
    expect((await ended(1))[0]?.traceId).not.toBe(TRACE);
  });

  test('captureHeaders records what it names, never a secret', async () => {
    const { url, ended, tracer } = await bare(answer, { captureHeaders: ['User-Agent', 'X-Absent'] });
    await fetch(url, { headers: { 'user-agent': 'x'.repeat(1000), authorization: 'Bearer s' } });
    const [end] = await ended(1);
    const { tags } = tracer.getTrace(end!.traceId)!;
    expect(tags['http.request.header.user-agent']).toBe('x'.repeat(256));
    expect(JSON.stringify(tags)).not.toContain('Bearer');
    for (const name of ['Authorization', 'cookie', 'X-Api-Key', 'x-control-token']) {
      expect(() => trace({ captureHeaders: [name] })).toThrow(RangeError);
    }
  });

  test('a carrier of the application', async () => {
    const carried: unknown[] = [];
    const context = {
      get: () => undefined,
      run: <A extends unknown[], R>(span: unknown, callback: (...args: A) => R, ...args: A): R => {
        carried.push(span);
        return callback(...args);
      },
    };
    const { url, ended } = await bare(answer, { context });
    await fetch(url);
    expect(carried).toMatchObject([ids(await ended(1).then(([end]) => end as never))]);
  });

  test('are checked', async () => {
    expect(() => trace({ samplingrate: 1 } as TraceOptions)).toThrow(/did you mean 'samplingRate'/);
    expect(() => trace({ samplingRate: 1.5 })).toThrow(RangeError);
    expect(() => trace({ tracer: {} as never })).toThrow(TypeError);
    const tracer = new DistributedTracer();
    expect(() => trace({ tracer, samplingRate: 1 })).toThrow(/belongs to the tracer/);
    await tracer.close();
  });

  test('a tracer of its own is closed with the middleware, a given one is not', async () => {
    const close = jest.fn();
    const own = trace({ serviceName: 'own', exporter: { export: () => undefined, close } });
    expect(own.name).toBe('trace');
    expect(own.tracer.serviceName).toBe('own');
    await own.close();
    await own.close();
    expect(close).toHaveBeenCalledTimes(1);
    const tracer = new DistributedTracer({ exporter: { export: () => undefined, close } });
    await trace({ tracer }).close();
    expect(close).toHaveBeenCalledTimes(1);
    await tracer.close();
  });
});

test('a kept trace holds nothing of the request but words', async () => {
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const traced = trace({ tracer });
  const refs: WeakRef<object>[] = [];
  const serveOne = (): void => {
    const req = new IncomingMessage(new Socket());
    const res = new ServerResponse(req);
    const error = new Error('no');
    refs.push(new WeakRef(req), new WeakRef(res), new WeakRef(error));
    traced(req, res, () => startSpan('query')?.end(error));
    res.emit('close');
  };
  serveOne();
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
  expect(tracer.listTraces()).toHaveLength(1);
  await tracer.close();
});

test('a listener that throws does not affect the request or its count', async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const { url, ended, tracer } = await bare(answer);
  tracer.onRequest(() => {
    throw new Error('listener');
  });
  await fetch(url);
  await ended(1);
  expect(tracer.getMetrics().totalRequests).toBe(1);
  warned.mockRestore();
});

test('100,000 hostile requests leave bounded labels, traces and memory', async () => {
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const traced = trace({ tracer });
  const socket = new Socket();
  for (let i = 0; i < 100_000; i++) {
    const req = new IncomingMessage(socket);
    req.method = `M${i}`;
    req.url = `/${i}/../%00\r\n<script>`;
    const parent = `00-${i.toString(16).padStart(32, '0')}-${SPAN}-0${i % 10}${i % 7 === 0 ? '-x' : ''}`;
    req.headers = { traceparent: parent, tracestate: `k${i}=\u0001` };
    req.rawHeaders = ['TraceParent', parent, 'tracestate', 'hidden'];
    const res = new ServerResponse(req);
    traced(req, res, () => startSpan(`op ${i}`)?.end());
    res.statusCode = 100 + (i % 900);
    res.end();
    res.emit('close');
  }
  const metrics = tracer.getMetrics();
  expect(metrics).toMatchObject({ totalRequests: 100_000, activeTraces: 0 });
  expect(metrics.storedTraces).toBeLessThanOrEqual(1000);
  expect(Object.keys(metrics.operations).length).toBeLessThanOrEqual(2002);
  expect(tracer.requestSeries().length).toBeLessThanOrEqual(2000 + 900);
  expect(tracer.requestSeries().reduce((sum, { count }) => sum + count, 0)).toBe(100_000);
  const shown = JSON.stringify([tracer.listTraces(), Object.keys(tracer.requestSeries())]);
  expect(shown).not.toMatch(/script|\\u0001/);
  await tracer.close();
});
