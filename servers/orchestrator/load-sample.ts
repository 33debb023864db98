/** Asks an instance of the fleet how it is, for the decision on how many there should be. */
import { z } from 'zod';
import type { InstanceDetails, InstanceSample } from '../../src/index.js';

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
  }),
});

/**
 * The figures `GET /api/v1/system/load` tells.
 *
 * @throws when there is no answer, it is not one, or it is another service's
 */
export async function sampleLoad(
  { service, host, port, id }: InstanceDetails,
  signal: AbortSignal,
): Promise<InstanceSample> {
  const answer = await fetch(`http://${host}:${port}/api/v1/system/load`, { signal });
  const told = loadAnswer.parse(await answer.json());
  if (told.service !== service) throw new Error(`${id}: ${told.service} answered in its place`);
  return told.load;
}
