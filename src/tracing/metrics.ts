/**
 * `/metrics`: everything a service measures, gathered when it is scraped and written by prom-client, as Prometheus text
 * or as OpenMetrics with exemplars, whichever the scraper asks for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Registry, type Metric } from 'prom-client';
import { ResilienceError } from '../shared/errors.js';
import type { Closeable } from '../shared/http.js';
import { callGuarded } from '../shared/listeners.js';
import { boolean, checkOptions, checkValue, func, having, string } from '../shared/options.js';
import { sendError } from '../shared/problem.js';
import { sourceMetrics, tracerMetrics, type ExposedMetric } from './exposition.js';
import { RuntimeFigures } from './runtime-figures.js';
import type { DistributedTracer } from './tracer.js';

/** Whose requests the metrics are of, and whether the process' own figures are with them. */
export interface MetricsOptions {
  /** Its requests, operations and traces are exposed. */
  tracer?: DistributedTracer;
  /** The label `service` on every sample; the tracer's name by default. */
  serviceName?: string;
  /** Event loop, garbage collection, memory and handles; true by default. */
  runtime?: boolean;
}

/** Figures of an engine: metric families as `cacheMetrics(cache.getStats())` makes them, or any object with numbers in it. */
export type MetricSource = () => object | readonly ExposedMetric[];

export interface Metrics extends Closeable {
  /** For metrics of the application's own, made with prom-client: `new Counter({ …, registers: [metrics.registry] })`. */
  readonly registry: Registry;
  /** Exposes an engine's metric families, or its plain figures as `tooloo_<name>_<figure>`. Returns what removes them again. */
  addSource(name: string, source: MetricSource): () => void;
  /** Everything, as text. */
  render(format?: MetricsFormat): Promise<string>;
  /** Answers a scrape. For `app.get('/metrics', metrics.handler)`. */
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void;
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The formats Prometheus can be answered in. */
export type MetricsFormat = 'prometheus' | 'openmetrics';

const CONTENT_TYPES = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const;

/** What prom-client asks of a metric when it writes it. */
interface WrittenMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly unknown[];
}

/**
 * A metric for one writing. For OpenMetrics the writer adds `_total` to the samples of a counter and expects the family
 * to go without it; it renames what it is given, so it is given its own object.
 */
function toWrite({ name, help, type, values }: WrittenMetric, format: MetricsFormat): Metric {
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  const written = { name: family, help, type, get: () => Promise.resolve({ name: family, help, type, values }) };
  return written as unknown as Metric;
}

async function write(metrics: readonly WrittenMetric[], format: MetricsFormat, service: string | undefined) {
  const registry = new Registry();
  registry.setContentType(CONTENT_TYPES[format] as typeof Registry.PROMETHEUS_CONTENT_TYPE);
  if (service !== undefined) registry.setDefaultLabels({ service });
  // A family is written once: of two engines with figures of one name the first has it.
  const families = new Set<string>();
  for (const metric of metrics) {
    if (metric.values.length === 0 || families.has(metric.name)) continue;
    families.add(metric.name);
    registry.registerMetric(toWrite(metric, format));
  }
  return registry.metrics();
}

const isFamilies = (given: object | readonly ExposedMetric[]): given is readonly ExposedMetric[] =>
  Array.isArray(given);

/** @throws TypeError for an option that is unknown or of the wrong type */
export function createMetrics(options?: MetricsOptions): Metrics {
  const checked = checkOptions('createMetrics', options, {
    tracer: having('a DistributedTracer', 'requestSeries', 'getMetrics'),
    serviceName: string,
    runtime: boolean,
  });
  const { tracer, serviceName = tracer?.serviceName, runtime = true } = checked;
  const registry = new Registry();
  const sources = new Map<string, MetricSource>();
  const figures = runtime ? new RuntimeFigures() : undefined;

  function gather(): ExposedMetric[] {
    const metrics = [...(tracer === undefined ? [] : tracerMetrics(tracer)), ...(figures?.metrics() ?? [])];
    for (const [name, source] of sources) {
      callGuarded(`createMetrics: source '${name}'`, () => {
        const given = source();
        metrics.push(...(isFamilies(given) ? given : sourceMetrics(name, { ...given })));
      });
    }
    return metrics;
  }

  async function render(format: MetricsFormat = 'prometheus'): Promise<string> {
    const own = await registry.getMetricsAsJSON();
    const gathered = gather().map(({ samples, ...family }) => ({ ...family, values: samples }));
    return write([...own.map(fromOwn), ...gathered], format, serviceName);
  }

  function handler(req: IncomingMessage, res: ServerResponse): void {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      const refusal = new ResilienceError('METHOD_NOT_ALLOWED', 'metrics are read with GET', {
        headers: { Allow: 'GET, HEAD' },
      });
      return sendError(req, res, refusal);
    }
    const format = formatFor(req);
    render(format).then(
      (text) => {
        res.setHeader('Content-Type', CONTENT_TYPES[format]);
        res.setHeader('Cache-Control', 'no-store');
        res.end(req.method === 'HEAD' ? undefined : text);
      },
      (error: unknown) => sendError(req, res, error),
    );
  }

  const close = (): void => figures?.close();
  return {
    registry,
    addSource(name, source) {
      checkValue('addSource: name', name, string);
      checkValue('addSource: source', source, func);
      sources.set(name, source);
      return () => {
        if (sources.get(name) === source) sources.delete(name);
      };
    },
    render,
    handler,
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
  };
}

/** prom-client names the types of its own metrics by number in one version and by word in another. */
function fromOwn({
  name,
  help,
  type,
  values,
}: {
  name: string;
  help: string;
  type: unknown;
  values: unknown[];
}): WrittenMetric {
  return { name, help, type: String(type), values };
}

function formatFor(req: IncomingMessage): MetricsFormat {
  return req.headers.accept?.includes('application/openmetrics-text') === true ? 'openmetrics' : 'prometheus';
}
