/** A real Prometheus (Debian's package) scrapes the exposition, and its figures are those of the tracer. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose } from '../../src/middleware/compose.js';
import { trace } from '../../src/middleware/trace.js';
import { nameRoute } from '../../src/shared/instrumentation.js';
import { createMetrics } from '../../src/tracing/metrics.js';
import { DistributedTracer } from '../../src/tracing/tracer.js';

const isInstalled = spawnSync('prometheus', ['--version']).status === 0;
if (!isInstalled && process.env['CI_REQUIRE_SERVICES'] === '1') {
  throw new Error('prometheus is not installed (apt-get install prometheus), and CI_REQUIRE_SERVICES asks for it');
}
const reason = isInstalled ? '' : ' (skipped: prometheus is not installed)';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startPrometheus(target: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'prometheus.yml');
  const job = { job_name: 'kit', static_configs: [{ targets: [target] }] };
  // YAML reads JSON.
  await writeFile(config, JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: [job] }));
  const port = await freePort();
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn('prometheus', [...args, '--enable-feature=exemplar-storage'], { stdio: 'ignore' });
  cleanups.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return `http://127.0.0.1:${port}`;
}

/** Asks until there is an answer: Prometheus starts and scrapes in its own time. */
async function ask<T>(url: string, pick: (data: { data?: unknown }) => T | undefined): Promise<T> {
  for (;;) {
    const answer = await fetch(url).then(
      (response) => (response.ok ? (response.json() as Promise<{ data?: unknown }>) : undefined),
      () => undefined,
    );
    const picked = answer === undefined ? undefined : pick(answer);
    if (picked !== undefined) return picked;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

(isInstalled ? test : test.skip)(
  `Prometheus counts what was served, and keeps its exemplars${reason}`,
  async () => {
    const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1 });
    const metrics = createMetrics({ tracer });
    const server = http
      .createServer(
        compose(
          trace({ tracer, ignore: ['/metrics'] }),
          (req, res, next) => (req.url === '/metrics' ? metrics.handler(req, res) : next()),
          (_req, res) => {
            nameRoute('/items/:id');
            res.end();
          },
        ),
      )
      .listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(async () => {
      metrics.close();
      await tracer.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (let i = 0; i < 7; i++) await (await fetch(`http://${target}/items/${i}`)).text();
    const prometheus = await startPrometheus(target);

    const query = encodeURIComponent('http_server_request_duration_seconds_count{http_route="/items/:id"}');
    const value = await ask(`${prometheus}/api/v1/query?query=${query}`, ({ data }) => {
      const { result } = data as { result: { value: [number, string] }[] };
      return result[0]?.value[1];
    });
    expect(value).toBe('7');

    const range = 'start=0&end=4102444800';
    const buckets = encodeURIComponent('http_server_request_duration_seconds_bucket');
    const traceId = await ask(`${prometheus}/api/v1/query_exemplars?query=${buckets}&${range}`, ({ data }) => {
      const [series] = data as { exemplars: { labels: { trace_id: string } }[] }[];
      return series?.exemplars[0]?.labels.trace_id;
    });
    expect(tracer.getTrace(traceId)?.operation).toBe('GET /items/:id');
  },
  60_000,
);
