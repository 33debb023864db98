/** The exposition: what a scrape holds, in both formats, and that Prometheus' own tool finds nothing to object to. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { Counter, Histogram } from 'prom-client';
import { compose } from '../../src/middleware/compose.js';
import { trace } from '../../src/middleware/trace.js';
import { nameRoute, startSpan } from '../../src/shared/instrumentation.js';
import { createMetrics, type Metrics } from '../../src/tracing/metrics.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';
import { checkMetrics, describeWithPromtool, NO_OBJECTION } from '../support/promtool.js';

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1';

let tracer: DistributedTracer;
let metrics: Metrics;
let server: http.Server;
let url: string;

beforeEach(async () => {
  tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1 });
  metrics = createMetrics({ tracer });
  const listener = compose(
    trace({ tracer, ignore: ['/metrics'] }),
    (req, res, next) => (req.url === '/metrics' ? metrics.handler(req, res) : next()),
    (req, res, next) => {
      if (req.url !== '/items/1') return next();
      nameRoute('/items/:id');
      startSpan('db "query"\n')?.end();
      res.end('x');
    },
  );
  server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  metrics.close();
  await tracer.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function serve(path: string, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) {
    const ended = new Promise<void>((resolve) => {
      const stop = tracer.onRequest(() => (stop(), resolve()));
    });
    await (await fetch(url + path)).text();
    await ended;
  }
}

const scrape = async (accept = 'text/plain'): Promise<string> =>
  (await fetch(`${url}/metrics`, { headers: { accept } })).text();

const valueOf = (text: string, line: string): number => {
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1).split(' ')[0]);
};

test('requests by route and status, exactly as many as were sent', async () => {
  await serve('/items/1', 7);
  await serve('/nothing/1', 2);
  await serve('/nothing/2', 1);
  const text = await scrape();
  const family = 'http_server_request_duration_seconds';
  const item = `http_request_method="GET",http_route="/items/:id",url_scheme="http",http_response_status_code="200",error_type="",service="web"`;
  const none = item.replace('/items/:id', '(unmatched)').replace('200', '404');
  expect(valueOf(text, `${family}_count{${item}}`)).toBe(7);
  expect(valueOf(text, `${family}_count{${none}}`)).toBe(3);
  expect(text).toContain(`# TYPE ${family} histogram`);
  expect(text).toMatch(/_bucket\{[^}]*le="\+Inf"[^}]*\} 7/);
  expect(text).toContain('le="0.005"');
  expect(valueOf(text, 'tooloo_sampled_traces_total{service="web"}')).toBe(10);
  expect(tracer.getMetrics().totalRequests).toBe(10);
});

test('runtime figures, and operations with their names escaped', async () => {
  await serve('/items/1');
  const text = await scrape();
  for (const name of [
    'nodejs_eventloop_lag_p99_seconds',
    'nodejs_heap_size_used_bytes',
    'process_resident_memory_bytes',
  ]) {
    expect(valueOf(text, `${name}{service="web"}`)).toBeGreaterThanOrEqual(0);
  }
  expect(text).toContain('nodejs_active_resources{type="');
  expect(valueOf(text, 'tooloo_operation_duration_seconds_count{operation="db \\"query\\"\\n",service="web"}')).toBe(1);
});

test("an engine's figures: numbers and booleans, under safe names; one that throws costs nothing else", async () => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  metrics.addSource('cache', () => ({
    hitRate: 0.5,
    open: true,
    memory: { size: 3 },
    name: 'x',
    none: NaN,
    totalTotal: 4,
  }));
  metrics.addSource('broken', () => {
    throw new Error('no');
  });
  const remove = metrics.addSource('gone', () => ({ a: 1 }));
  remove();
  const text = await scrape();
  expect(valueOf(text, 'tooloo_cache_hit_rate{service="web"}')).toBe(0.5);
  expect(valueOf(text, 'tooloo_cache_open{service="web"}')).toBe(1);
  expect(valueOf(text, 'tooloo_cache_memory_size{service="web"}')).toBe(3);
  expect(text).toContain('# TYPE tooloo_cache_total_total counter');
  expect(text).not.toMatch(/tooloo_(gone|cache_name|cache_none)/);
  expect(warned).toHaveBeenCalledTimes(1);
  warned.mockRestore();
});

test('OpenMetrics: exemplars that lead to a trace, counters named as it asks, an end', async () => {
  const own = new Counter({ name: 'own_things_total', help: 'Things.', registers: [metrics.registry] });
  own.inc(3);
  await serve('/items/1');
  const text = await scrape(OPENMETRICS);
  const traceId = /# \{trace_id="([0-9a-f]{32})",span_id="[0-9a-f]{16}"\} [\d.e-]+ \d+\.?\d*/.exec(text)?.[1];
  expect(tracer.getTrace(traceId!)?.operation).toBe('GET /items/:id');
  expect(text).toContain('# TYPE own_things counter');
  expect(valueOf(text, 'own_things_total{service="web"}')).toBe(3);
  expect(text).toContain('# TYPE tooloo_kept_traces counter');
  expect(text.endsWith('# EOF\n')).toBe(true);
  // Both formats, again and again: writing one leaves no mark on the other.
  const plain = await scrape();
  expect(plain).toContain('# TYPE own_things_total counter');
  expect(plain).not.toContain('trace_id');
});

test.each([
  ['application/openmetrics-text;version=1.0.0', 'openmetrics'],
  ['Application/OpenMetrics-Text; Q=0.5, TEXT/PLAIN; q=0.4', 'openmetrics'],
  ['application/openmetrics-text; q=0.5, text/plain', 'text/plain'],
  ['application/openmetrics-text;q=0, text/plain;q=0.1', 'text/plain'],
  ['application/openmetrics-text;q=0', 'text/plain'],
  ['application/openmetrics-text;q=0.3, text/*;q=0.2, text/plain;q=0.4', 'text/plain'],
  ['application/openmetrics-text;q=0.3, text/*;q=0.2', 'openmetrics'],
  ['application/openmetrics-text;q=, text/plain;q=0.1', 'text/plain'],
  ['application/openmetrics-text;q=7, text/plain;q=0.1', 'text/plain'],
  ['*/*', 'text/plain'],
  ['application/*', 'text/plain'],
  ['image/png', 'text/plain'],
  ['', 'text/plain'],
])('Accept: %s gets %s', async (accept, expected) => {
  const answer = await fetch(`${url}/metrics`, { headers: { accept } });
  expect(answer.headers.get('content-type')).toContain(expected);
  expect(answer.headers.get('vary')).toBe('Accept, Accept-Encoding');
});

/** The body as sent, not decoded. */
async function scrapeRaw(encoding: string | undefined, method = 'GET') {
  const headers = { ...(encoding !== undefined && { 'accept-encoding': encoding }) };
  const sent = http.request(`${url}/metrics`, { method, headers, agent: false }).end();
  const [res] = (await once(sent, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of res) chunks.push(chunk as Buffer);
  return { headers: res.headers, body: Buffer.concat(chunks) };
}

test.each(['gzip', 'GZIP;q=0.5, identity', 'br, *;q=0.1'])('Accept-Encoding: %s gets gzip', async (encoding) => {
  const { headers, body } = await scrapeRaw(encoding);
  expect(headers['content-encoding']).toBe('gzip');
  expect(Number(headers['content-length'])).toBe(body.length);
  const text = gunzipSync(body).toString();
  expect(text).toContain('# TYPE tooloo_active_traces gauge');
  expect(body.length).toBeLessThan(text.length);
});

test.each([undefined, 'gzip;q=0', 'gzip;q=0, *', 'br', 'identity'])(
  'Accept-Encoding: %s gets no encoding',
  async (encoding) => {
    const { headers, body } = await scrapeRaw(encoding);
    expect(headers['content-encoding']).toBeUndefined();
    expect(body.toString()).toContain('# TYPE tooloo_active_traces gauge');
  },
);

test("exemplars of the application's own metrics are kept", async () => {
  const histogram = new Histogram({
    name: 'own_seconds',
    help: 'Seconds.',
    buckets: [1, 2],
    enableExemplars: true,
    registers: [metrics.registry],
  });
  histogram.observe({ value: 1.5, exemplarLabels: { trace_id: 'abc' } });
  expect(await scrape(OPENMETRICS)).toMatch(/^own_seconds_bucket\{.*le="2".*\} 1 # \{trace_id="abc"\} 1\.5 [\d.]+$/m);
  expect(await scrape()).not.toContain('abc');
});

test('only GET and HEAD', async () => {
  const refused = await fetch(`${url}/metrics`, { method: 'POST' });
  expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const head = await fetch(`${url}/metrics`, { method: 'HEAD', headers: { accept: OPENMETRICS } });
  expect(head.headers.get('content-type')).toContain('application/openmetrics-text');
  expect(await head.text()).toBe('');
});

describeWithPromtool('promtool', () => {
  test('finds nothing to object to', async () => {
    await serve('/items/1', 3);
    await serve('/nothing', 3);
    metrics.addSource('cache', () => ({ hits: 1, misses: 2, hitRate: 1 / 3 }));
    expect(checkMetrics(await scrape())).toEqual(NO_OBJECTION);
  });
});

test('options are checked', () => {
  expect(() => createMetrics({ tracer: {} as never })).toThrow(TypeError);
  expect(() => createMetrics({ runtime: 1 as never })).toThrow(TypeError);
});
