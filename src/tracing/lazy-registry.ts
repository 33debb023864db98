/**
 * A registry of prom-client that exists before prom-client is loaded. It holds the metrics that the application registers,
 * and loads prom-client to format them.
 */
import type * as PromClient from 'prom-client';
import type { Metric, MetricObject, OpenMetricsContentType, Registry } from 'prom-client';
import { exportsOf, missingPackage } from '../shared/loaded-package.js';

let loaded: typeof PromClient | undefined;

/**
 * Loads prom-client on the first call.
 *
 * @throws ResilienceError PACKAGE_MISSING if it is not installed
 */
export async function loadPromClient(): Promise<typeof PromClient> {
  if (loaded !== undefined) return loaded;
  try {
    return (loaded = exportsOf(await import('prom-client'))); // within `try`, so that bundlers take it as optional
  } catch (error) {
    throw missingPackage('prom-client', 'the text of metrics', error);
  }
}

/** The media types, as prom-client names them. */
export const CONTENT_TYPES = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const;

type AnyMetric = Metric & { readonly name: string; reset(): void };

/** The methods and properties of prom-client's class, for `new Counter({ registers: [registry] })`. */
export class LazyRegistry implements Registry<OpenMetricsContentType> {
  readonly #metrics = new Map<string, AnyMetric>();
  #defaultLabels: object = {};
  /** prom-client accepts exemplars only in a registry of this format. It is written in both. */
  #contentType: string = CONTENT_TYPES.openmetrics;

  get contentType(): OpenMetricsContentType {
    return this.#contentType as OpenMetricsContentType;
  }

  setContentType(contentType: OpenMetricsContentType): void {
    if (!Object.values<string>(CONTENT_TYPES).includes(contentType)) {
      throw new TypeError(`Content type ${String(contentType)} is unsupported`);
    }
    this.#contentType = contentType;
  }

  /** @throws Error if another metric has the name */
  registerMetric<T extends string>(metric: Metric<T>): void {
    const given = metric as unknown as AnyMetric;
    const registered = this.#metrics.get(given.name);
    if (registered !== undefined && registered !== given) {
      throw new Error(`A metric with the name ${given.name} has already been registered.`);
    }
    this.#metrics.set(given.name, given);
  }

  removeSingleMetric(name: string): void {
    this.#metrics.delete(name);
  }

  getSingleMetric<T extends string>(name: string): Metric<T> | undefined {
    return this.#metrics.get(name);
  }

  getMetricsAsArray(): MetricObject[] {
    return [...this.#metrics.values()] as unknown as MetricObject[];
  }

  setDefaultLabels(labels: object): void {
    this.#defaultLabels = labels;
  }

  resetMetrics(): void {
    for (const metric of this.#metrics.values()) metric.reset();
  }

  clear(): void {
    this.#metrics.clear();
    this.#defaultLabels = {};
  }

  async metrics(): Promise<string> {
    return (await this.#filled()).metrics();
  }

  async getMetricsAsJSON(): ReturnType<Registry['getMetricsAsJSON']> {
    return (await this.#filled()).getMetricsAsJSON();
  }

  async getSingleMetricAsString(name: string): Promise<string> {
    return (await this.#filled()).getSingleMetricAsString(name);
  }

  /** prom-client's own registry, with the same metrics and settings. */
  async #filled(): Promise<Registry<OpenMetricsContentType>> {
    const { Registry: Own } = await loadPromClient();
    const registry = new Own<OpenMetricsContentType>();
    registry.setContentType(this.contentType);
    registry.setDefaultLabels(this.#defaultLabels);
    for (const metric of this.#metrics.values()) registry.registerMetric(metric);
    return registry;
  }
}
