/**
 * `/api/v1/system` routes of the orchestrator for scaling: manual scaling, decisions and their reasons, and history.
 */
import * as z from 'zod';
import type { AutoScalingDecisionEngine, ScalingLoop, ScalingOutcome } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';
import { RouteTable } from '../support/route-table.js';
import { recordOf, type FleetRunner } from './fleet-runner.js';
import { serviceName } from './service-param.js';

export interface ScalingParts {
  readonly fleet: FleetRunner;
  readonly engine: AutoScalingDecisionEngine;
  /** Undefined if automatic scaling is off. */
  readonly loop: ScalingLoop | undefined;
  /** Milliseconds for which a manually set number of instances is held. */
  readonly holdTime: number;
  readonly controlToken: string | undefined;
}

/** Maximum number of instances per request. It protects against typing errors and is not a target. */
const MOST_AT_ONCE = 50;

const port = z.number().int().min(1).max(65_535);
const historyQuery = z.object({
  service: serviceName.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

const BY_HAND = { reason: 'ordered by hand' };

export function scalingRoutes({ fleet, engine, loop, holdTime, controlToken }: ScalingParts): RouteTable {
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
      /** Until when a manually set number of instances is held. */
      hold: loop?.holdOf(service) ?? null,
      lastDecision: engine.explain(service) ?? null,
    };
  };

  return new RouteTable('/api/v1/system', controlToken)
    .post(
      '/scale/:service/release',
      {
        summary: 'Lets the service be scaled by its load again, after it was scaled by hand',
        params: z.object({ service: serviceName }),
        control,
      },
      ({ params: { service } }) => ({ service, released: loop?.release(service) ?? false }),
    )
    .post(
      '/scale/:service/:direction',
      {
        summary: 'Starts `count` more instances (up) or stops the newest (down); by default one',
        params: z.object({ service: serviceName, direction: z.enum(['up', 'down']) }),
        body: z.object({
          count: z.number().int().min(1).max(MOST_AT_ONCE).default(1),
          /** Holds the number until it is released, instead of for `SCALING_HOLD_MS`. */
          pin: z.boolean().default(false),
        }),
        control,
      },
      async ({ params: { service, direction }, body: { count, pin } }) => {
        const outcome = await (direction === 'up'
          ? manager.scaleUp(service, count, BY_HAND)
          : manager.scaleDown(service, count, BY_HAND));
        if (pin) loop?.hold(service);
        else if (holdTime > 0) loop?.hold(service, holdTime);
        return { direction, ...answer(outcome), hold: loop?.holdOf(service) ?? null };
      },
    )
    .post(
      '/migrate',
      {
        summary: 'Replaces the instance on one port by a new one on another port; by default on any free port',
        body: z.object({ fromPort: port, toPort: port.optional() }),
        control,
      },
      async ({ body: { fromPort, toPort } }) => answer(await manager.migrateInstance(fromPort, toPort ?? 0, BY_HAND)),
    )
    .get('/scaling-status', { summary: 'How many instances each service has, and the figures behind it' }, () => ({
      automatic: loop !== undefined,
      intervalMs: loop?.interval ?? null,
      services: Object.fromEntries(manager.services.map((name) => [name, statusOf(name)])),
    }))
    .get(
      '/scaling-history',
      { summary: 'The changes of the instances, newest first', query: historyQuery },
      ({ query: { service, limit } }) => ({
        history: manager.getScalingHistory({ limit, ...(service !== undefined && { service }) }),
      }),
    );
}
