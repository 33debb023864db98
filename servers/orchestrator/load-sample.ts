/** Reads the load of an instance for scaling decisions. */
import * as z from 'zod';
import type { InstanceDetails, InstanceReport } from '../../src/index.js';

const figure = z.number().nullish();
const loadAnswer = z.object({
  service: z.string(),
  load: z.object({
    cpu: figure,
    memory: figure,
    queueDepth: figure,
    inFlight: figure,
    p99: figure,
    errorRate: figure,
    requests: figure,
  }),
  demand: z
    .record(
      z.string(),
      z.array(
        z.object({ host: z.string(), port: z.number(), inFlight: z.number(), answered: z.number(), latency: figure }),
      ),
    )
    .default({}),
});

/** Returns the id of the instance at an address; undefined if no instance is there. */
export type InstanceAt = (service: string, port: number) => string | undefined;

/**
 * Reads `GET /api/v1/system/load` of an instance: its figures, and its demand on other services as their caller.
 *
 * @throws if there is no response, the response is invalid, or another service answers
 */
export function loadSampler(instanceAt: InstanceAt) {
  return async ({ service, host, port, id }: InstanceDetails, signal: AbortSignal): Promise<InstanceReport> => {
    const response = await fetch(`http://${host}:${port}/api/v1/system/load`, {
      signal,
      // An idle connection would delay the shutdown of the instance.
      headers: { connection: 'close' },
    });
    const answer = loadAnswer.parse(await response.json());
    if (answer.service !== service) throw new Error(`${id}: ${answer.service} answered in its place`);
    const demand = Object.entries(answer.demand).map(([name, targets]) => [
      name,
      targets.flatMap(({ port: at, ...figures }) => {
        const instance = instanceAt(name, at);
        return instance === undefined ? [] : [{ instance, ...figures }];
      }),
    ]);
    return { ...answer.load, demand: Object.fromEntries(demand) as InstanceReport['demand'] };
  };
}
