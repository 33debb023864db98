/** The response to a scrape: in the format and encoding that the scraper prefers (RFC 9110 §12.5). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { nodeModule } from '../shared/node-modules.js';
import { parseWeightedList, weightOf } from '../shared/weighted-list.js';

/** The formats Prometheus can be answered in, and JSON for `instanceMetrics`. */
export type MetricsFormat = 'prometheus' | 'openmetrics' | 'json';

/** OpenMetrics or JSON where the client names it and does not prefer text; otherwise the Prometheus text format. */
export function formatFor({ headers: { accept = '*/*' } }: IncomingMessage): MetricsFormat {
  const list = parseWeightedList(accept);
  const openmetrics = weightOf(list, ['application/openmetrics-text']);
  const text = weightOf(list, ['text/plain', 'text/*', '*/*']);
  const json = weightOf(list, ['application/json']);
  if (json > text && json > openmetrics) return 'json';
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'prometheus';
}

function acceptsGzip({ headers }: IncomingMessage): boolean {
  const accepted = headers['accept-encoding'];
  return accepted !== undefined && weightOf(parseWeightedList(String(accepted)), ['gzip', '*']) > 0;
}

/** Sends the metrics, compressed where the scraper accepts that. */
export async function sendMetrics(
  req: IncomingMessage,
  res: ServerResponse,
  contentType: string,
  text: string,
): Promise<void> {
  const isCompressed = acceptsGzip(req);
  const body = isCompressed ? await promisify(nodeModule('node:zlib').gzip)(text) : Buffer.from(text);
  res.setHeader('Content-Type', contentType);
  if (isCompressed) res.setHeader('Content-Encoding', 'gzip');
  res.setHeader('Content-Length', body.length);
  res.setHeader('Cache-Control', 'no-store');
  res.appendHeader('Vary', 'Accept, Accept-Encoding');
  res.end(req.method === 'HEAD' ? undefined : body);
}
