/** `/api/v1/system` of the orchestrator, as far as the number of instances goes: orders, why it is what it is, history. */
import { z } from 'zod';
import type { AutoScalingDecisionEngine, ScalingLoop, ScalingOutcome } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';
import { RouteTable } from '../support/route-table.js';
import { recordOf, type FleetRunner } from './fleet-runner.js';
import { serviceName } from './service-param.js';

export interface ScalingParts {
  readonly fleet: FleetRunner;
  readonly engine: AutoScalingDecisionEngine;
  /** Undefined where the fleet does not scale itself. */
  readonly loop: ScalingLoop | undefined;
  readonly controlToken: string | undefined;
}

/** Instances of one order: a guard against a typing error, not a target. */
const MOST_AT_ONCE = 50;

const port = z.number().int().min(1).max(65_535);
const historyQuery = z.object({
  service: serviceName.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

const BY_HAND = { reason: 'ordered by hand' };

export function scalingRoutes({ fleet, engine, loop, controlToken }: ScalingParts): RouteTable {
  const { manager } = fleet;
  const control = true;

  const answer = ({ added, removed, ...outcome }: ScalingOutcome) => ({
    ...outcome,
    added: added.map(recordOf),
    removed: removed.map(recordOf),
    instances: fleet.instancesOf(outcome.service as ServiceName),
  });

  const statusOf = (service: string) => {
    const { samples = 0, decisions, bootTime = null } = engine.getScalingMetrics(service) ?? {};
    const instances = manager.getInstanceDetails(service);
    return {
      instances: manager.getInstanceCount(service),
      ready: instances.filter(({ state }) => state === 'ready').length,
      ...manager.getBounds(service),
      samples,
      decisions,
      bootTime,
      lastDecision: engine.explain(service) ?? null,
    };
  };

  return new RouteTable('/api/v1/system', controlToken)
    .post(
      '/scale/:service/:direction',
      {
        summary: 'Starts `count` more instances (up) or ends the newest (down); one unless told',
        params: z.object({ service: serviceName, direction: z.enum(['up', 'down']) }),
        body: z.object({ count: z.number().int().min(1).max(MOST_AT_ONCE).default(1) }),
        control,
      },
      async ({ params: { service, direction }, body: { count } }) => {
        const outcome = await (direction === 'up'
          ? manager.scaleUp(service, count, BY_HAND)
          : manager.scaleDown(service, count, BY_HAND));
        return { direction, ...answer(outcome) };
      },
    )
    .post(
      '/migrate',
      {
        summary: 'Hands over from the instance on one port to a new one on another; on any that is free unless told',
        body: z.object({ fromPort: port, toPort: port.optional() }),
        control,
      },
      async ({ body: { fromPort, toPort } }) => answer(await manager.migrateInstance(fromPort, toPort ?? 0, BY_HAND)),
    )
    .get('/scaling-status', { summary: 'How many instances each service has, and every number behind it' }, () => ({
      automatic: loop !== undefined,
      intervalMs: loop?.interval ?? null,
      services: Object.fromEntries(manager.services.map((name) => [name, statusOf(name)])),
    }))
    .get(
      '/scaling-history',
      { summary: 'What was done to the instances, the newest first', query: historyQuery },
      ({ query: { service, limit } }) => ({
        history: manager.getScalingHistory({ limit, ...(service !== undefined && { service }) }),
      }),
    );
}
