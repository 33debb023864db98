/** `/api/v1/system` of the orchestrator: what runs where, and starting, stopping and scaling it. */
import { z } from 'zod';
import { ResilienceError } from '../../src/index.js';
import { serviceNamed, type ServiceName } from '../support/fleet.js';
import { ANSWERED, RouteTable } from '../support/route-table.js';
import type { EventStream } from './event-stream.js';
import type { FleetRunner, InstanceRecord } from './fleet-runner.js';

const serviceName = z.string().transform((text, context): ServiceName => {
  const name = serviceNamed(text);
  if (name !== undefined) return name;
  context.addIssue({ code: 'custom', message: 'expected the name of a service, e.g. training or training-server' });
  return z.NEVER;
});
const serviceParams = z.object({ service: serviceName });

export interface OrchestratorParts {
  readonly fleet: FleetRunner;
  /** The instances, for whoever wants to be told of changes. */
  readonly stream: EventStream<unknown>;
  readonly controlToken: string | undefined;
}

export function orchestratorRoutes({ fleet, stream, controlToken }: OrchestratorParts): RouteTable {
  const control = true;
  const ofService = (service: ServiceName): InstanceRecord[] =>
    fleet.instances.filter((one) => one.service === service);
  return new RouteTable('/api/v1/system', controlToken)
    .get(
      '/instances',
      { summary: 'Every instance: JSON, or a stream of changes as text/event-stream' },
      ({ req, res }) => {
        res.vary('Accept');
        if (req.accepts(['json', 'text/event-stream']) !== 'text/event-stream') return { instances: fleet.instances };
        if (stream.subscribe(res)) return ANSWERED;
        throw new ResilienceError('CONCURRENCY_EXCEEDED', 'too many subscribers of the instance stream', {
          retryAfter: 5,
        });
      },
    )
    .get('/status', { summary: 'Every service, its instances and their states' }, () => ({
      ready: fleet.instances.every(({ state }) => state === 'ready'),
      services: Object.fromEntries(
        [...new Set(fleet.instances.map(({ service }) => service))].map((name) => [
          name,
          { instances: ofService(name) },
        ]),
      ),
    }))
    .post(
      '/services/:service/start',
      { summary: 'Starts a stopped service', params: serviceParams, control },
      async ({ params }) => {
        await fleet.start(params.service);
        return { service: params.service, instances: ofService(params.service) };
      },
    )
    .post(
      '/services/:service/stop',
      { summary: 'Stops a service', params: serviceParams, control },
      async ({ params }) => {
        await fleet.stop(params.service);
        return { service: params.service, instances: ofService(params.service) };
      },
    )
    .post(
      '/services/:service/restart',
      { summary: 'Restarts a service, an instance at a time', params: serviceParams, control },
      async ({ params }) => {
        await fleet.restart(params.service);
        return { service: params.service, instances: ofService(params.service) };
      },
    )
    .post(
      '/scale/:service/:direction',
      {
        summary: 'Adds an instance (up) or ends the newest (down)',
        params: z.object({ service: serviceName, direction: z.enum(['up', 'down']) }),
        control,
      },
      async ({ params: { service, direction } }) => {
        const instance = await (direction === 'up' ? fleet.addInstance(service) : fleet.removeInstance(service));
        return { service, direction, instance, instances: ofService(service) };
      },
    )
    .get('/scaling-status', { summary: 'Instances of each service' }, () => ({
      services: Object.fromEntries(
        [...new Set(fleet.instances.map(({ service }) => service))].map((name) => {
          const instances = ofService(name);
          return [
            name,
            { instances: instances.length, ready: instances.filter(({ state }) => state === 'ready').length },
          ];
        }),
      ),
    }));
}
