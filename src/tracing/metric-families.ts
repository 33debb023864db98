/**
 * Builds metric families from single figures: figures of the same name become samples of one family, with different
 * labels.
 */
import type { ExposedMetric, Labels, Sample } from './exposition.js';

type MetricType = 'counter' | 'gauge';

export class MetricFamilies {
  readonly #families = new Map<string, ExposedMetric & { readonly samples: Sample[] }>();

  /** A count since the start; the name without its `_total`. A figure that is absent or not a number is left out. */
  counter(name: string, help: string, value: number | undefined, labels?: Labels): this {
    return this.#add(`${name}_total`, 'counter', help, value, labels);
  }

  /** A figure that can rise and fall. One that is absent or not a number is left out. */
  gauge(name: string, help: string, value: number | null | undefined, labels?: Labels): this {
    return this.#add(name, 'gauge', help, value ?? undefined, labels);
  }

  get list(): ExposedMetric[] {
    return [...this.#families.values()];
  }

  #add(name: string, type: MetricType, help: string, value: number | undefined, labels: Labels | undefined): this {
    if (value === undefined || !Number.isFinite(value)) return this;
    let family = this.#families.get(name);
    if (family === undefined) this.#families.set(name, (family = { name, help, type, samples: [] }));
    family.samples.push(labels === undefined ? { value } : { labels, value });
    return this;
  }
}
