/** Writes metric families as text, with prom-client, and sends them in the format that a scraper prefers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metric, PrometheusContentType } from 'prom-client';
import { ResilienceError } from '../shared/errors.js';
import { sendError } from '../shared/problem.js';
import type { ExposedMetric } from './exposition.js';
import { CONTENT_TYPES, loadPromClient } from './lazy-registry.js';
import { formatFor, sendMetrics, type MetricsFormat } from './metrics-answer.js';

const MEDIA_TYPES = { ...CONTENT_TYPES, json: 'application/json' } as const;

/**
 * A metric for one writing. For OpenMetrics the writer adds `_total` to the samples of a counter and expects the family
 * to go without it; it renames what it is given, so it is given its own object.
 */
function toWrite({ name, help, type, samples }: ExposedMetric, format: MetricsFormat): Metric {
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  const get = () => Promise.resolve({ name: family, help, type, values: samples });
  return { name: family, help, type, get } as unknown as Metric;
}

/** A family is written once, with the samples of every engine that has it. The first one's type and help stand. */
export function mergeFamilies(metrics: readonly ExposedMetric[]): ExposedMetric[] {
  const families = new Map<string, ExposedMetric & { readonly samples: unknown[] }>();
  for (const metric of metrics) {
    if (metric.samples.length === 0) continue;
    const family = families.get(metric.name);
    if (family === undefined) families.set(metric.name, { ...metric, samples: [...metric.samples] });
    else if (family.type === metric.type) family.samples.push(...metric.samples);
  }
  return [...families.values()];
}

/** The families as text; as JSON without the label `service`. */
export async function writeMetrics(
  families: readonly ExposedMetric[],
  format: MetricsFormat,
  service: string | undefined,
): Promise<string> {
  if (format === 'json') return JSON.stringify(families);
  const { Registry } = await loadPromClient();
  const registry = new Registry();
  registry.setContentType(CONTENT_TYPES[format] as PrometheusContentType);
  if (service !== undefined) registry.setDefaultLabels({ service });
  for (const family of families) registry.registerMetric(toWrite(family, format));
  return registry.metrics();
}

/** A handler that answers scrapes with what `render` gives. */
export function scrapeHandler(
  render: (format: MetricsFormat) => Promise<string>,
): (req: IncomingMessage, res: ServerResponse) => void {
  return function metrics(req, res) {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      const refusal = new ResilienceError('METHOD_NOT_ALLOWED', 'metrics are read with GET', {
        headers: { Allow: 'GET, HEAD' },
      });
      return sendError(req, res, refusal);
    }
    const format = formatFor(req);
    render(format)
      .then((text) => sendMetrics(req, res, MEDIA_TYPES[format], text))
      .catch((error: unknown) => sendError(req, res, error));
  };
}
