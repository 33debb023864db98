/**
 * `/metrics`: all metrics of a service, collected on each scrape and formatted by prom-client. The format is Prometheus
 * text or OpenMetrics with exemplars, as the scraper requests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
// eslint-disable-next-line @typescript-eslint/ban-ts-comment -- an error cannot be expected: it depends on the user's packages
/** @ts-ignore: prom-client is an optional peer. Where it is not installed, its types are `any`, also in the declarations. */
import type { OpenMetricsContentType, Registry } from 'prom-client';
import type { Closeable } from '../shared/http.js';
import { callGuarded } from '../shared/listeners.js';
import { boolean, checkOptions, checkValue, func, having, string } from '../shared/options.js';
import { sourceMetrics, tracerMetrics, type ExposedMetric, type Sample } from './exposition.js';
import { answerPrimary } from './cluster-metrics.js';
import { LazyRegistry, loadPromClient } from './lazy-registry.js';
import type { MetricsFormat } from './metrics-answer.js';
import { mergeFamilies, scrapeHandler, writeMetrics } from './metrics-writer.js';
import { RuntimeFigures } from './runtime-figures.js';
import type { DistributedTracer } from './tracer.js';

/** The tracer whose requests are exposed, and whether the figures of the process are included. */
export interface MetricsOptions {
  /** The tracer. Its requests, operations and traces are exposed. */
  tracer?: DistributedTracer;
  /** The label `service` on every sample; the tracer's name by default. */
  serviceName?: string;
  /** Whether event loop, garbage collection, memory and handles are included. Default true. */
  runtime?: boolean;
}

/**
 * Figures of an engine: metric families such as those of `cacheMetrics(cache.getStats())`, or any object with numbers.
 */
export type MetricSource = () => object | readonly ExposedMetric[];

/**
 * The metrics of a process, as `createMetrics` returns them.
 *
 * @example
 * import { Counter } from 'prom-client';
 * import { createMetrics } from '@tooloo/resilience';
 *
 * const metrics = createMetrics({ tracer });
 * const orders = new Counter({ name: 'orders_total', help: 'Orders received', registers: [metrics.registry] });
 * app.get('/metrics', metrics.handler);
 */
export interface Metrics extends Closeable {
  /** For metrics of the application's own, made with prom-client: `new Counter({ …, registers: [metrics.registry] })`. */
  readonly registry: Registry<OpenMetricsContentType>;
  /**
   * Exposes the metric families of an engine, each sample with the label `name`, or its plain figures as
   * `tooloo_<name>_<figure>`. Returns a function that removes them.
   */
  addSource(name: string, source: MetricSource): () => void;
  /** Everything, as data: for `createSummedMetrics`. */
  families(): Promise<ExposedMetric[]>;
  /** Everything, as text. */
  render(format?: MetricsFormat): Promise<string>;
  /** Answers a scrape. For `app.get('/metrics', metrics.handler)`. */
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void;
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export type { MetricsFormat };

/** Engines of one kind differ by a label: the name under which they were added. */
function named(name: string, families: readonly ExposedMetric[]): ExposedMetric[] {
  return families.map((family) => ({
    ...family,
    samples: family.samples.map((sample) => ({ ...sample, labels: { name, ...sample.labels } })),
  }));
}

interface OwnMetric {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: Sample[];
}

const isFamilies = (given: object | readonly ExposedMetric[]): given is readonly ExposedMetric[] =>
  Array.isArray(given);

/**
 * Collects the metrics of this process and of the given tracer for `/metrics`.
 *
 * @throws TypeError for an option that is unknown or of the wrong type
 *
 * @example
 * import { cacheMetrics, createMetrics } from '@tooloo/resilience';
 *
 * const metrics = createMetrics({ tracer });
 * metrics.addSource('pages', () => cacheMetrics(cache.getStats()));
 * app.get('/metrics', metrics.handler);
 */
export function createMetrics(options?: MetricsOptions): Metrics {
  const checked = checkOptions('createMetrics', options, {
    tracer: having('a DistributedTracer', 'requestSeries', 'getMetrics'),
    serviceName: string,
    runtime: boolean,
  });
  const { tracer, serviceName = tracer?.serviceName, runtime = true } = checked;
  loadPromClient().catch(() => undefined); // a scrape reports it
  const registry = new LazyRegistry();
  const sources = new Map<string, MetricSource>();
  const figures = runtime ? new RuntimeFigures() : undefined;

  function gather(): ExposedMetric[] {
    const metrics = [...(tracer === undefined ? [] : tracerMetrics(tracer)), ...(figures?.metrics() ?? [])];
    for (const [name, source] of sources) {
      callGuarded(`createMetrics: source '${name}'`, () => {
        const given = source();
        metrics.push(...(isFamilies(given) ? named(name, given) : sourceMetrics(name, { ...given })));
      });
    }
    return metrics;
  }

  async function families(): Promise<ExposedMetric[]> {
    const own = await registry.getMetricsAsJSON();
    return mergeFamilies([...(own as unknown as OwnMetric[]).map(fromOwn), ...gather()]);
  }

  async function render(format: MetricsFormat = 'prometheus'): Promise<string> {
    return writeMetrics(await families(), format, serviceName);
  }

  const stopAnswering = answerPrimary(families);
  const close = (): void => {
    stopAnswering();
    figures?.close();
  };
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
    families,
    render,
    handler: scrapeHandler(render),
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
  };
}

/** prom-client names the types of its own metrics by number in one version and by word in another. */
function fromOwn({ name, help, type, values }: OwnMetric): ExposedMetric {
  return { name, help, type: String(type) as ExposedMetric['type'], samples: values };
}
