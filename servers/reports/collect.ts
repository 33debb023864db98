/** Requests the sections of all services at once. If a service does not answer, only its own section is missing. */
import type { AxiosInstance } from 'axios';
import { ResilienceError, type ErrorCode } from '../../src/index.js';
import { MANAGED_SERVICES, type ServiceName } from '../support/fleet.js';
import { answerOf, peerError } from '../support/peer-answer.js';
import { addUp, type RequestFigures } from '../support/request-figures.js';
import type { Answers } from './ask-each.js';
import { SECTION_NAMES, SOURCES, type Metrics, type SectionData, type SectionName } from './sources.js';

/** A section, or the reason why it is missing. */
export type Section<T> =
  | ({ readonly available: true } & T)
  | { readonly available: false; readonly service: ServiceName; readonly code: ErrorCode; readonly reason: string };

export type Sections = { readonly [K in SectionName]: Section<{ readonly data: SectionData<K> }> };

export interface Performance extends RequestFigures {
  /** Number of instances with figures, and number of instances without. */
  readonly instances: number;
  readonly silent: number;
}

export type Client = (service: ServiceName) => AxiosInstance;

/** Collects the requested sections. Default: all. */
export async function collectSections(
  client: Client,
  names: readonly SectionName[] = SECTION_NAMES,
): Promise<Partial<Sections>> {
  const entries = await Promise.all(names.map(async (name) => [name, await sectionOf(client, name)] as const));
  return Object.fromEntries(entries);
}

async function sectionOf(client: Client, name: SectionName): Promise<Section<{ data: unknown }>> {
  const { service, path, schema, params } = SOURCES[name];
  return attempt(service, async () => {
    const { ok: _ok, ...data } = (await answerOf(service, schema, client(service).get(path, { params }))) as {
      ok?: unknown;
    };
    return { data };
  });
}

/** Requests figures from each instance of a service. */
export type AskEach = (service: ServiceName) => Promise<Answers>;

/** Requests, latencies and errors of each service, over all its instances. */
export async function collectPerformance(askEach: AskEach): Promise<Record<string, Section<Performance>>> {
  const entries = await Promise.all(
    MANAGED_SERVICES.map(async (service) => {
      const section = await attempt(service, async () => {
        const { answers, silent } = await askEach(service);
        const parts = answers.map(({ tracer }) => tracer);
        return { ...addUp(parts), instances: parts.length, silent };
      });
      return [service, section] as const;
    }),
  );
  return Object.fromEntries(entries);
}

async function attempt<T extends object>(service: ServiceName, ask: () => Promise<T>): Promise<Section<T>> {
  try {
    return { available: true, ...(await ask()) };
  } catch (error) {
    const known = ResilienceError.is(error) ? error : peerError(service, error);
    return { available: false, service, code: known.code, reason: known.message };
  }
}

/**
 * The followed numbers of the collected sections, by `section.metric`. Missing values and values that are not numbers
 * are left out.
 */
export function metricsOf(
  sections: Partial<Sections>,
  performance: Readonly<Record<string, Section<Performance>>>,
): Metrics {
  const metrics: Record<string, number> = {};
  const note = (name: string, value: number | null): void => {
    if (value !== null && Number.isFinite(value)) metrics[name] = value;
  };
  for (const [name, section] of Object.entries(sections)) {
    if (section?.available !== true) continue;
    const read = SOURCES[name as SectionName].metrics as (data: unknown) => Record<string, number | null>;
    for (const [metric, value] of Object.entries(read(section.data))) note(`${name}.${metric}`, value);
  }
  for (const [service, section] of Object.entries(performance)) {
    if (!section.available) continue;
    note(`performance.${service}.requests`, section.totalRequests);
    note(`performance.${service}.p95`, section.p95);
    note(`performance.${service}.errorRate`, section.errorRate);
  }
  return metrics;
}
