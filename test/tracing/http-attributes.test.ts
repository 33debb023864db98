import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from '../support/fast-check.js';
import { compose } from '../../src/middleware/compose.js';
import { trace, type TraceOptions } from '../../src/middleware/trace.js';
import { redactQuery } from '../../src/tracing/http-attributes.js';
import { traceMixin, type TraceLogFields } from '../../src/tracing/log-correlation.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';
import type { SpanRecord } from '../../src/tracing/span.js';
import { until } from '../support/eventually.js';

async function spanOf(options: TraceOptions, path: string, headers: Record<string, string>): Promise<SpanRecord> {
  const spans: SpanRecord[] = [];
  const traced = trace({ samplingRate: 1, exporter: { export: (given) => void spans.push(...given) }, ...options });
  const server = createServer(compose(traced, (_req, res) => res.end('x')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) =>
    request({ port, path, headers, agent: false }, (res) => res.resume().on('end', resolve)).end(),
  );
  await until(() => spans.length > 0);
  await new Promise((resolve) => server.close(resolve));
  await traced.close();
  return spans[0]!;
}

test.each(['/orders/7?token=secret&page=2&flag', 'http://shop.example:8080/orders/7?token=secret&page=2&flag'])(
  'a server span says what was asked, of whom and by whom: %s',
  async (path) => {
    const { attributes } = await spanOf({}, path, { host: 'shop.example:8080', 'user-agent': 'tester/1' });
    expect(attributes).toMatchObject({
      'url.path': '/orders/7',
      'url.query': 'token=REDACTED&page=REDACTED&flag',
      'url.scheme': 'http',
      'server.address': 'shop.example',
      'server.port': 8080,
      'client.address': '127.0.0.1',
      'user_agent.original': 'tester/1',
      'network.protocol.version': '1.1',
      'http.request.method': 'GET',
      'http.response.status_code': 200,
    });
  },
);

test.each([
  ['shop.example', 'shop.example', undefined],
  ['shop.example:', 'shop.example', undefined],
  ['shop.example:99999', 'shop.example', undefined],
  ['[::1]', '::1', undefined],
  ['[::1]:8080', '::1', 8080],
])('the host %s is recorded as %s and the port %s', async (host, address, port) => {
  const { attributes } = await spanOf({}, '/', { host });
  expect([attributes['server.address'], attributes['server.port']]).toEqual([address, port]);
});

test('no value of a query is ever recorded', () => {
  const parameter = fc.tuple(fc.stringMatching(/^[a-z]{1,5}$/), fc.stringMatching(/^secret[0-9]{1,9}$/));
  fc.assert(
    fc.property(fc.array(parameter), (parameters) => {
      expect(redactQuery(parameters.map(([name, value]) => `${name}=${value}`).join('&'))).not.toContain('secret');
    }),
  );
});

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test.each<[TraceOptions['trustParent'], boolean]>([
  [undefined, true],
  [true, true],
  [false, false],
  [(req) => req.headers['x-internal'] === 'yes', true],
  [() => false, false],
])('trustParent %p continues the trace of the caller: %p', async (trustParent, isContinued) => {
  const span = await spanOf({ trustParent }, '/', { traceparent: PARENT, 'x-internal': 'yes' });
  expect(span.traceId === PARENT.slice(3, 35)).toBe(isContinued);
  expect(span.parentSpanId).toBe(isContinued ? '00f067aa0ba902b7' : undefined);
});

test('a log line carries the ids of the trace it belongs to', async () => {
  const mixin = traceMixin();
  expect(mixin()).toEqual({});
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const fields: TraceLogFields = tracer.trace('job', (span) => {
    expect(mixin()).toMatchObject({ trace_id: span.traceId, span_id: span.spanId });
    return mixin();
  });
  expect(fields.trace_flags).toBe('01');
  await tracer.close();
});
