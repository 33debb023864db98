/** The orchestrator put together: a server like the others, and the fleet it runs. */
import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { childProcesses, type InstanceCommand, type InstanceSpec } from '../../src/index.js';
import { portOf, readConfig, type Environment } from '../support/config.js';
import { MANAGED_SERVICES, portVariable, type ServiceName } from '../support/fleet.js';
import type { Logger } from '../support/logger.js';
import { defineServer, type FleetServer } from '../support/service.js';
import { EventStream } from './event-stream.js';
import { FleetRunner } from './fleet-runner.js';
import { endOrphans, orchestratorMigrations, recordInstances, type OrchestratorSchema } from './orphans.js';
import { watchLiveness, type LivenessSettings } from './liveness-watch.js';
import { orchestratorRoutes } from './routes.js';

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
  /** Listens, ends what a killed predecessor left, and starts every service. Settles when each is ready or has failed. */
  start(): Promise<void>;
  /** Stops every service, then itself. Idempotent. */
  readonly close: () => Promise<void>;
}

/** Added to the time the services have for their own shutdown before they are killed, in ms. */
const STOP_MARGIN = 2_000;

export async function createOrchestrator({
  env,
  programOf,
  liveness,
  onLine,
}: OrchestratorOptions): Promise<Orchestrator> {
  const config = readConfig(env);
  // Without a token of the user's the fleet still needs one: the gateway vouches with it for callers on this machine.
  const controlToken = config.CONTROL_TOKEN ?? randomBytes(24).toString('base64url');
  const fleetEnv = withValues({ ...env, CONTROL_TOKEN: controlToken });
  let ownUrl = '';

  const command = ({ service, id, port }: InstanceSpec): InstanceCommand => ({
    args: ['--enable-source-maps', programOf(service as ServiceName)],
    env: {
      ...fleetEnv,
      [portVariable(service as ServiceName)]: String(port),
      INSTANCE_ID: id,
      ORCHESTRATOR_URL: ownUrl,
      // Whoever reaches the others came through the gateway, which says for whom it asks.
      ...(service !== 'web' && { TRUST_PROXY: 'loopback' }),
    },
  });
  const stopTimeout = config.DRAIN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS + STOP_MARGIN;
  const driver = childProcesses({ command, stopTimeout, ...(onLine !== undefined && { onLine }) });
  const fleet = new FleetRunner({ driver, services: MANAGED_SERVICES, portOf: (service) => portOf(config, service) });
  const stream = new EventStream(() => ({ instances: fleet.instances }));

  const server = await defineServer<OrchestratorSchema>({
    name: 'orchestrator',
    migrations: orchestratorMigrations,
    routes: () => ({ routes: [orchestratorRoutes({ fleet, stream, controlToken })], close: () => stream.close() }),
  }).create({
    env: fleetEnv,
    // Its own lines among those of the services, shown as they are.
    ...(onLine && { logTo: { write: (line) => onLine(line.trimEnd(), { id: 'orchestrator' }) } }),
  });
  const db = server.context.db as Kysely<OrchestratorSchema>;
  const stopRecording = keepRecord(db, fleet, server.context.log);
  fleet.onChange(() => stream.changed());
  const stopWatching = watchLiveness(fleet, server.context.log, liveness);

  let closing: Promise<void> | undefined;
  return {
    server,
    fleet,
    get url() {
      return ownUrl;
    },
    async start() {
      ownUrl = await server.listen();
      const ended = await endOrphans(db);
      if (ended.length > 0)
        server.context.log.warn({ instances: ended.map(({ id }) => id) }, 'ended what an earlier orchestrator left');
      await fleet.startAll();
    },
    close() {
      closing ??= (async () => {
        stopWatching();
        await fleet.stopAll();
        await driver.close();
        await stopRecording();
        await server.close();
      })();
      return closing;
    },
  };
}

function withValues(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** Writes down which instances run, whenever that changes, one write after the other. Returns what ends it. */
function keepRecord(db: Kysely<OrchestratorSchema>, fleet: FleetRunner, log: Logger): () => Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  const stop = fleet.onChange((instances) => {
    writing = writing
      .then(() => recordInstances(db, instances))
      .catch((err: unknown) => log.error({ err }, 'the running instances could not be written down'));
  });
  return async () => {
    stop();
    await writing;
  };
}
