/** One `/metrics` for the workers of a cluster, and for the instances of a service. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose } from '../../src/middleware/compose.js';
import { trace } from '../../src/middleware/trace.js';
import { nameRoute } from '../../src/shared/instrumentation.js';
import { createMetrics, createSummedMetrics, instanceMetrics } from '../../src/metrics.js';
import { bundleProgram, nextMessage, startProgram } from '../support/bundled-child.js';
import { eventually } from '../support/eventually.js';
import { checkMetrics, describeWithPromtool, NO_OBJECTION } from '../support/promtool.js';

const closing: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** How many requests there were, by the text of a scrape. */
function requests(text: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith('http_server_request_duration_seconds_count{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

interface Instance {
  readonly url: string;
  close(): Promise<void>;
}

async function startInstance(): Promise<Instance> {
  const traced = trace({ serviceName: 'reports', ignore: ['/metrics'] });
  const metrics = createMetrics({ tracer: traced.tracer });
  const listener = compose(traced, (req, res) => {
    if (req.url === '/metrics') return metrics.handler(req, res);
    nameRoute('/items');
    res.end('x');
  });
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    metrics.close();
    await traced.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  closing.push(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

async function serve({ url }: Instance, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await (await fetch(`${url}/items`)).text();
}

test('the instances of a service, one of which leaves', async () => {
  const instances = [await startInstance(), await startInstance()];
  const metrics = createSummedMetrics({
    serviceName: 'reports',
    collect: instanceMetrics(() => instances.map(({ url }) => `${url}/metrics`), { timeout: 30_000 }),
  });
  await serve(instances[0]!, 3);
  await serve(instances[1]!, 4);
  const text = await eventually(
    () => metrics.render(),
    (rendered) => requests(rendered) === 7,
  );
  expect(text).toContain('service="reports"');
  expect(text).not.toContain('quantile');
  await instances.pop()!.close();
  await serve(instances[0]!, 1);
  await eventually(
    () => metrics.render(),
    (rendered) => requests(rendered) === 8,
  );
});

describeWithPromtool('promtool', () => {
  test('finds nothing to object to', async () => {
    const instances = [await startInstance(), await startInstance()];
    await Promise.all(instances.map((instance) => serve(instance, 2)));
    const urls = (): string[] => instances.map(({ url }) => `${url}/metrics`);
    expect(checkMetrics(await createSummedMetrics({ collect: instanceMetrics(urls) }).render())).toEqual(NO_OBJECTION);
  });
});

test('an instance that answers something else counts nothing', async () => {
  const server = http.createServer((_req, res) => res.end('{"a":1}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const urls = (): string[] => [`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'http://127.0.0.1:1'];
  expect((await createSummedMetrics({ collect: instanceMetrics(urls) }).render()).trim()).toBe('');
});

test('the workers of a cluster, one of which ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cluster-metrics-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const child = startProgram(bundleProgram(join(__dirname, 'cluster-metrics-program.ts'), folder));
  closing.push(() => {
    const exited = once(child, 'exit');
    child.disconnect();
    return exited;
  });
  const { port, metrics } = await nextMessage<{ port: number; metrics: number }>(child);
  const scrape = async (): Promise<string> => (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
  const workers = new Set<string>();
  let sent = 0;
  for (; workers.size < 2; sent++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    workers.add(await answer.text());
  }
  await eventually(scrape, (text) => requests(text) === sent);
  child.send('end one');
  await nextMessage(child);
  const text = await eventually(scrape, (rendered) => requests(rendered) === sent);
  expect(text).toContain('service="whole"');
});

test('options are checked', () => {
  expect(() => createSummedMetrics({} as never)).toThrow(TypeError);
  expect(() => createSummedMetrics({ collect: 1 as never })).toThrow(TypeError);
  expect(() => instanceMetrics(() => [], { timeout: -1 })).toThrow(RangeError);
});
