/** The orchestrator put together: a server like the others, the fleet it runs, and what decides how large that is. */
import type { Kysely } from 'kysely';
import { childProcesses, type InstanceCommand, type InstanceSpec, type ScalingDriver } from '../../src/index.js';
import { readConfig, type Environment, type FleetConfig } from '../support/config.js';
import { portVariable, type ServiceName } from '../support/fleet.js';
import type { Logger } from '../support/logger.js';
import { defineServer, type FleetServer } from '../support/service.js';
import { fleetToken } from './control-token.js';
import { EventStream } from './event-stream.js';
import { FleetRunner, type InstanceRecord } from './fleet-runner.js';
import { livenessMonitor, type LivenessSettings } from './liveness.js';
import { LogTail } from './log-tail.js';
import { openScaling } from './open-scaling.js';
import { Origin } from './origin.js';
import { readPolicies } from './policies.js';
import {
  leftInstances,
  orchestratorMigrations,
  recordInstances,
  takeOver,
  type LeftInstance,
  type OrchestratorSchema,
} from './predecessor.js';
import { orchestratorRoutes } from './routes.js';
import { scalingRoutes } from './scaling-routes.js';

export interface OrchestratorOptions {
  readonly env: Environment;
  /** The program that is a service, e.g. `dist/servers/training-server.js`. */
  readonly programOf: (service: ServiceName) => string;
  /** How instances that do not answer any more are noticed. */
  readonly liveness?: LivenessSettings;
  /** Receives every line a service prints. */
  readonly onLine?: (line: string, spec: Pick<InstanceSpec, 'id'>) => void;
}

export interface Orchestrator {
  readonly server: FleetServer;
  readonly fleet: FleetRunner;
  /** Where it listens; empty before `start`. */
  readonly url: string;
  /**
   * Listens, takes over what a killed predecessor left, and starts whatever is missing. Settles when each service is
   * ready or has failed.
   */
  start(): Promise<void>;
  /** Stops every service, then itself. Idempotent. */
  readonly close: () => Promise<void>;
}

/** Added to the time the services have for their own shutdown before they are killed, in ms. */
const STOP_MARGIN = 2_000;

export async function createOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const config = readConfig(options.env);
  const policies = readPolicies(config);
  // Without a token of the user's the fleet still needs one: the gateway vouches with it for callers on this machine.
  const controlToken = config.CONTROL_TOKEN ?? fleetToken(config.DATA_DIR);
  const fleetEnv = withValues({ ...options.env, CONTROL_TOKEN: controlToken });
  const origin = new Origin(options.programOf, readConfig(fleetEnv), controlToken);

  const logs = new LogTail();
  const onLine = (line: string, spec: Pick<InstanceSpec, 'id'>): void => {
    logs.add(line, spec.id);
    options.onLine?.(line, spec);
  };
  const driver = openDriver({ ...options, onLine }, config, fleetEnv, () => origin.url);
  const monitor = livenessMonitor(options.liveness);
  const { engine, manager, loop } = openScaling({ config, policies, driver, monitor, log: () => server.context.log });
  const fleet = new FleetRunner(manager);
  const stream = new EventStream(() => ({ instances: fleet.instances }));
  manager.onChange(() => stream.changed());

  const server = await defineServer<OrchestratorSchema>({
    name: 'orchestrator',
    migrations: orchestratorMigrations,
    routes: () => ({
      routes: [
        orchestratorRoutes({ fleet, stream, logs, controlToken }),
        scalingRoutes({ fleet, engine, loop, controlToken }),
      ],
      close: () => stream.close(),
    }),
  }).create({
    env: fleetEnv,
    // Its own lines among those of the services, shown as they are.
    ...(options.onLine && { logTo: { write: (line: string) => onLine(line.trimEnd(), { id: 'orchestrator' }) } }),
  });
  const db = server.context.db as Kysely<OrchestratorSchema>;

  let stopRecording = (): Promise<void> => Promise.resolve();
  let closing: Promise<void> | undefined;
  return {
    server,
    fleet,
    get url() {
      return origin.url;
    },
    async start() {
      const left = await leftInstances(db);
      origin.url = await listenWhereExpected(server, config, left);
      const { adopted, ended } = await takeOver(left, manager, driver, (one) => origin.isOf(one));
      if (adopted.length + ended.length > 0)
        server.context.log.warn({ adopted, ended }, 'took over what an earlier orchestrator left');
      stopRecording = keepRecord(db, fleet, origin, server.context.log);
      await fleet.startAll();
      loop?.start();
    },
    close() {
      closing ??= (async () => {
        await loop?.close();
        await fleet.stopAll();
        monitor.destroy();
        await stopRecording();
        await server.close();
      })();
      return closing;
    },
  };
}

function openDriver(
  { programOf, onLine }: OrchestratorOptions,
  config: FleetConfig,
  fleetEnv: Record<string, string>,
  ownUrl: () => string,
): ScalingDriver {
  const command = ({ service, id, port }: InstanceSpec): InstanceCommand => ({
    args: ['--enable-source-maps', programOf(service as ServiceName)],
    env: {
      ...fleetEnv,
      [portVariable(service as ServiceName)]: String(port),
      INSTANCE_ID: id,
      ORCHESTRATOR_URL: ownUrl(),
      // Whoever reaches the others came through the gateway, which says for whom it asks.
      ...(service !== 'web' && { TRUST_PROXY: 'loopback' }),
    },
  });
  const stopTimeout = config.DRAIN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS + STOP_MARGIN;
  return childProcesses({ command, stopTimeout, ...(onLine !== undefined && { onLine }) });
}

/** The instances left look for the orchestrator where it was: on a port that any was good for, that one is the best. */
async function listenWhereExpected(
  server: FleetServer,
  config: FleetConfig,
  [left]: readonly LeftInstance[],
): Promise<string> {
  if (config.ORCHESTRATOR_PORT !== 0 || left === undefined || left.orchestrator_url === '') return server.listen();
  return server.listen(Number(new URL(left.orchestrator_url).port)).catch(() => server.listen());
}

/** Writes down which instances run, whenever that changes, one write after the other. Returns what ends it. */
function keepRecord(db: Kysely<OrchestratorSchema>, fleet: FleetRunner, origin: Origin, log: Logger) {
  let writing: Promise<void> = Promise.resolve();
  const write = (instances: readonly InstanceRecord[]): void => {
    writing = writing
      .then(() => recordInstances(db, instances, (one) => origin.of(one)))
      .catch((err: unknown) => log.error({ err }, 'the running instances could not be written down'));
  };
  write(fleet.instances);
  const stop = fleet.onChange(write);
  return async (): Promise<void> => {
    stop();
    await writing;
  };
}

function withValues(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
