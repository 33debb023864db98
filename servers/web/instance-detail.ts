/** Details of one instance: the results of its probes and its latest log lines. */
import { ResilienceError } from '../../src/index.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from '../support/ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';
import { readLogs } from './fleet-logs.js';

/** The members of a check that are shown. */
export interface HealthCheck {
  readonly status?: string;
  readonly output?: string;
  readonly observedValue?: unknown;
  readonly observedUnit?: string;
  /** Milliseconds. */
  readonly duration?: number;
}

/** A health report as in draft-inadarei-api-health-check-06. */
interface HealthReport {
  readonly status: string;
  readonly checks?: Readonly<Record<string, readonly HealthCheck[]>>;
}

export interface InstanceDetail {
  readonly instance: FleetInstance;
  /** Null if the instance does not answer. */
  readonly health: HealthReport | null;
  /** Log lines, oldest first; null if none is stored anywhere. */
  readonly log: readonly string[] | null;
}

/** Maximum number of log lines. */
const MOST_LINES = 200;

/** Milliseconds. The limit is long because the instance queries its database. */
const ADVICE_TIMEOUT = 5_000;

type Parts = Pick<ServiceContext, 'peers' | 'controlToken' | 'workers'>;

/** @throws ResilienceError NOT_FOUND if the instance does not exist */
export async function describeInstance(parts: Parts, id: string): Promise<InstanceDetail> {
  const { instance } = await findInstance(parts, id);
  const healthOptions = { ...parts, acceptsUnavailable: true };
  const [health, logs] = await Promise.all([
    isRunning(instance) ? answerOf(askInstance<HealthReport>(instance, '/health', healthOptions)) : null,
    readLogs(parts, { instance: id, limit: MOST_LINES }),
  ]);
  const isStored = logs.sources.some((source) => source.instance === id);
  return { instance, health, log: isStored ? logs.lines.map(({ line }) => line) : null };
}

/**
 * The advice of an instance's database for a statement.
 *
 * @throws ResilienceError NOT_FOUND if the instance does not exist or does not know the statement
 */
export async function adviseOn(parts: Parts, id: string, statement: string): Promise<object> {
  const { instance } = await findInstance(parts, id);
  const query = new URLSearchParams({ statement });
  const path = `/api/v1/system/queries/advice?${query.toString()}`;
  const answer = await askInstance<{ advice: object }>(instance, path, { ...parts, timeout: ADVICE_TIMEOUT });
  if (answer === undefined) throw new ResilienceError('NOT_FOUND', `${id} has not sent this statement of late`);
  return { advice: answer.advice };
}

async function findInstance(parts: Parts, id: string): Promise<{ readonly instance: FleetInstance }> {
  const { instances } = await listInstances(parts);
  const instance = instances.find((one) => one.id === id);
  if (instance === undefined) throw new ResilienceError('NOT_FOUND', `there is no instance ${id}`);
  return { instance };
}

/** Returns null for a failed request, so that the page can show it. */
async function answerOf<T>(answer: Promise<T | undefined>): Promise<T | null> {
  return (await answer.catch(() => undefined)) ?? null;
}
