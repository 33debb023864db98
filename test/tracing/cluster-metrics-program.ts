/** A cluster of two workers that serve requests, and a primary that exposes the sum of their metrics. */
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { compose } from '../../src/middleware/compose.js';
import { trace } from '../../src/middleware/trace.js';
import { clusterMetrics, createMetrics, createSummedMetrics } from '../../src/metrics.js';

const WORKERS = 2;

function serve(): void {
  const traced = trace({ serviceName: 'worker' });
  createMetrics({ tracer: traced.tracer });
  createServer(compose(traced, (_req, res) => res.end(String(process.pid)))).listen(0, '127.0.0.1');
}

function supervise(): void {
  const metrics = createSummedMetrics({ serviceName: 'whole', collect: clusterMetrics({ timeout: 30_000 }) });
  const server = createServer(metrics.handler).listen(0, '127.0.0.1');
  let listening = 0;
  cluster.on('listening', (_worker, { port }) => {
    if (++listening < WORKERS) return;
    process.send?.({ port, metrics: (server.address() as AddressInfo).port });
  });
  cluster.on('exit', () => process.send?.('a worker has ended'));
  for (let i = 0; i < WORKERS; i++) cluster.fork();
  process.on('message', () => Object.values(cluster.workers ?? {})[0]?.kill());
  process.on('disconnect', () => process.exit());
}

if (cluster.isPrimary) supervise();
else serve();
