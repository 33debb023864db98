/** One `/metrics` for several processes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkOptions, func, string } from '../shared/options.js';
import type { MetricsFormat } from './metrics-answer.js';
import { scrapeHandler, writeMetrics } from './metrics-writer.js';
import { MetricSums, type ProcessMetrics } from './metric-sums.js';

/** Whose metrics are added up. */
export interface SummedMetricsOptions {
  /** `clusterMetrics()`, `instanceMetrics(urls)`, or a function of your own: the families of each process, by an id. */
  readonly collect: () => Promise<ProcessMetrics>;
  /** The label `service` on every sample. Default: none. */
  readonly serviceName?: string;
}

/**
 * The metrics of several processes as those of one service.
 *
 * @example
 * import { clusterMetrics, createSummedMetrics } from '@tooloo/resilience';
 *
 * const metrics = createSummedMetrics({ collect: clusterMetrics() });
 * console.log(await metrics.render('prometheus'));
 */
export interface SummedMetrics {
  /** Everything, as text. */
  render(format?: MetricsFormat): Promise<string>;
  /** Answers a scrape. For `app.get('/metrics', metrics.handler)`. */
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void;
}

/**
 * Adds the metrics of several processes up, at each scrape: counters, histograms and amounts. Of shares, delays and
 * percentiles the highest is shown, and quantiles of summaries are left out.
 *
 * @throws TypeError for an option that is unknown, missing or of the wrong type
 *
 * @example
 * import { clusterMetrics, createSummedMetrics } from '@tooloo/resilience';
 *
 * const metrics = createSummedMetrics({ collect: clusterMetrics() });
 * app.get('/metrics', metrics.handler);
 */
export function createSummedMetrics(options: SummedMetricsOptions): SummedMetrics {
  const { collect, serviceName } = checkOptions('createSummedMetrics', options, { collect: func, serviceName: string });
  if ((collect as unknown) === undefined) throw new TypeError("createSummedMetrics: option 'collect' is missing");
  const sums = new MetricSums();
  const render = async (format: MetricsFormat = 'prometheus'): Promise<string> =>
    writeMetrics(sums.update(await collect()), format, serviceName);
  return { render, handler: scrapeHandler(render) };
}
