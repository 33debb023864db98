/** `/api/v1/system` of the orchestrator: lists, starts and stops instances. */
import * as z from 'zod';
import { ResilienceError } from '../../src/index.js';
import type { ServiceName } from '../support/fleet.js';
import { askInstance } from '../support/ask-instance.js';
import { ANSWERED, RouteTable } from '../support/route-table.js';
import type { EventStream } from './event-stream.js';
import type { FleetRunner } from './fleet-runner.js';
import { serviceMetrics } from './service-metrics.js';
import { serviceName } from './service-param.js';

const params = z.object({ service: serviceName });

export interface OrchestratorParts {
  readonly fleet: FleetRunner;
  /** The stream of instances for subscribers to changes. */
  readonly stream: EventStream<unknown>;
  readonly controlToken: string | undefined;
}

export function orchestratorRoutes({ fleet, stream, controlToken }: OrchestratorParts): RouteTable {
  const { manager } = fleet;
  const control = true;
  const metricsOf = serviceMetrics(fleet);
  const standing = (service: ServiceName) => ({ service, instances: fleet.instancesOf(service) });

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
    .get(
      '/load-distribution',
      { summary: 'The requests that each instance received from the gateway, as the gateway reports them' },
      async () => {
        const web = fleet.instancesOf('web').find(({ state }) => state === 'ready');
        if (web === undefined) throw new ResilienceError('UPSTREAM_REFUSED', 'no web server is ready');
        const path = '/api/v1/system/load-distribution';
        const answer = await askInstance<{ services: object }>(web, path, { controlToken });
        return { services: answer?.services ?? {} };
      },
    )
    .get('/status', { summary: 'Every service, its instances and their states' }, () => ({
      ready: fleet.instances.every(({ state }) => state === 'ready'),
      services: Object.fromEntries(
        manager.services.map((name) => [name, { instances: fleet.instancesOf(name as ServiceName) }]),
      ),
    }))
    .get(
      '/services/:service/metrics',
      { summary: 'The metrics of a service, as the sum over its instances', params },
      ({ params: { service }, req, res }) => {
        metricsOf(service).handler(req, res);
        return ANSWERED;
      },
    )
    .post(
      '/services/:service/start',
      { summary: 'Starts a stopped service', params, control },
      async ({ params: { service } }) => {
        await manager.startService(service);
        return standing(service);
      },
    )
    .post(
      '/services/:service/stop',
      { summary: 'Stops a service', params, control },
      async ({ params: { service } }) => {
        await manager.stopService(service);
        return standing(service);
      },
    )
    .post(
      '/services/:service/restart',
      { summary: 'Restarts a service, an instance at a time', params, control },
      async ({ params: { service } }) => {
        await manager.restartService(service);
        return standing(service);
      },
    );
}
