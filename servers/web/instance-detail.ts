/** One instance close up: what its probes say, and the last lines it printed. */
import { ResilienceError } from '../../src/index.js';
import type { ServiceContext } from '../support/service.js';
import { askInstance } from './ask-instance.js';
import { isRunning, listInstances, type FleetInstance } from './fleet-instances.js';

/** A health report as RFC draft-inadarei-api-health-check-06 has it. */
interface HealthReport {
  readonly status: string;
  readonly checks?: Readonly<Record<string, readonly object[]>>;
}

export interface InstanceDetail {
  readonly instance: FleetInstance;
  /** Null where it does not answer. */
  readonly health: HealthReport | null;
  /** Lines of its log, the oldest first; null where nobody holds them. */
  readonly log: readonly string[] | null;
}

/** Milliseconds: the database has to be asked. */
const ADVICE_TIMEOUT = 5_000;

type Parts = Pick<ServiceContext, 'peers' | 'controlToken'>;

/** @throws ResilienceError NOT_FOUND where there is no such instance */
export async function describeInstance(parts: Parts, id: string): Promise<InstanceDetail> {
  const { instance, instances } = await findInstance(parts, id);
  const orchestrator = instances.find(({ service }) => service === 'orchestrator');
  const logPath = `/api/v1/system/instances/${encodeURIComponent(id)}/log`;
  const healthOptions = { ...parts, acceptsUnavailable: true };
  const [health, printed] = await Promise.all([
    isRunning(instance) ? answerOf(askInstance<HealthReport>(instance, '/health', healthOptions)) : null,
    orchestrator && answerOf(askInstance<{ lines: readonly string[] }>(orchestrator, logPath, parts)),
  ]);
  return { instance, health, log: printed?.lines ?? null };
}

/**
 * What an instance's database says of a statement.
 *
 * @throws ResilienceError NOT_FOUND where there is no such instance, or it does not know the statement
 */
export async function adviseOn(parts: Parts, id: string, statement: string): Promise<object> {
  const { instance } = await findInstance(parts, id);
  const query = new URLSearchParams({ statement });
  const path = `/api/v1/system/queries/advice?${query.toString()}`;
  const answer = await askInstance<{ advice: object }>(instance, path, { ...parts, timeout: ADVICE_TIMEOUT });
  if (answer === undefined) throw new ResilienceError('NOT_FOUND', `${id} has not sent this statement of late`);
  return { advice: answer.advice };
}

async function findInstance(parts: Parts, id: string) {
  const { instances } = await listInstances(parts);
  const instance = instances.find((one) => one.id === id);
  if (instance === undefined) throw new ResilienceError('NOT_FOUND', `there is no instance ${id}`);
  return { instance, instances };
}

/** What does not answer is shown as such. */
async function answerOf<T>(answer: Promise<T | undefined>): Promise<T | null> {
  return (await answer.catch(() => undefined)) ?? null;
}
