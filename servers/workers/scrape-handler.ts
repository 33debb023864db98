/** `/metrics` of a server with workers: the sum over all workers at the public port, and the metrics of one worker at its own port. */
import { createSummedMetrics, type Metrics } from '../../src/index.js';
import type { WorkerGroup } from './worker-group.js';

export function scrapeHandler(own: Metrics, serviceName: string, workers: WorkerGroup | undefined): Metrics['handler'] {
  if (workers === undefined) return own.handler;
  // The primary process adds up, because it also knows the counts of workers that have ended.
  const collect = async () => new Map([[workers.name, JSON.parse(await workers.metrics())]]);
  return (req, res) => {
    if (!workers.isPublic(req)) return own.handler(req, res);
    // One for each scrape, because it would take a new worker for a restart of the whole server, and count it twice.
    createSummedMetrics({ collect, serviceName }).handler(req, res);
  };
}
