/** Assembles the orchestrator: its server, the fleet it runs, and the scaling decisions. */
import type { Kysely } from 'kysely';
import {
  childProcesses,
  type Clock,
  type InstanceCommand,
  type InstanceSpec,
  type ScalingDriver,
} from '../../src/index.js';
import { readConfig, type Environment, type FleetConfig } from '../support/config.js';
import { portVariable, type ServiceName } from '../support/fleet.js';
import { LogTail } from '../support/log-tail.js';
import type { Logger } from '../support/logger.js';
import { secretRemover } from '../support/secret-text.js';
import { defineServer, type FleetServer } from '../support/service.js';
import { fleetToken } from './control-token.js';
import { EventStream } from './event-stream.js';
import { fencedDriver } from './fenced-driver.js';
import { recordSizes } from './fleet-history.js';
import { fleetLease, type FleetLease } from './fleet-lease.js';
import { FleetRunner, type InstanceRecord } from './fleet-runner.js';
import { livenessMonitor, type LivenessSettings } from './liveness.js';
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
  /** The program of a service, e.g. `dist/servers/training-server.js`. */
  readonly programOf: (service: ServiceName) => string;
  /** How to detect instances that no longer answer. */
  readonly liveness?: LivenessSettings;
  /** Milliseconds until the callers of the services know of a change of the instances. Default 1000. */
  readonly settleTime?: number;
  /** Called if another orchestrator has taken over this fleet. This process then no longer controls the instances. */
  readonly onLost?: () => void;
  /** The clock of the lease. Default: the system's. */
  readonly clock?: Clock;
  /** Called with each line that a service prints. */
  readonly onLine?: (line: string, spec: Pick<InstanceSpec, 'id' | 'service'>) => void;
}

export interface Orchestrator {
  readonly server: FleetServer;
  readonly fleet: FleetRunner;
  /** The token that control routes require: the configured one, or one generated for this fleet. */
  readonly controlToken: string;
  /** The URL where it listens; empty before `start`. */
  readonly url: string;
  /**
   * Listens, takes over the instances of a killed predecessor, and starts the missing ones. Settles when each service
   * is ready or has failed.
   */
  start(): Promise<void>;
  /** Stops all services, then the orchestrator itself. Idempotent. */
  readonly close: () => Promise<void>;
}

/** The orchestrator as the source of its own log lines. */
const OWN = { id: 'orchestrator', service: 'orchestrator' };

/** Time added to the services' own shutdown time before they are killed, in ms. */
const STOP_MARGIN = 2_000;

export async function createOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const config = readConfig(options.env);
  const policies = readPolicies(config);
  // The fleet needs a token even if the user has set none: the gateway adds it to requests from this machine.
  const controlToken = config.CONTROL_TOKEN ?? fleetToken(config.DATA_DIR);
  const fleetEnv = withValues({
    ...options.env,
    CONTROL_TOKEN: controlToken,
    CONTROL_TOKEN_MADE: String(config.CONTROL_TOKEN === undefined),
  });
  const origin = new Origin(options.programOf, readConfig(fleetEnv), controlToken);

  const logs = new LogTail(secretRemover(fleetEnv));
  const onLine = (line: string, spec: Pick<InstanceSpec, 'id' | 'service'>): void => {
    logs.add(ownCopy(line), { service: spec.service, instance: workerOf(line, spec.id) ?? spec.id });
    options.onLine?.(line, spec);
  };
  const processes = openDriver({ ...options, onLine }, config, fleetEnv, () => origin.url);
  const driver = fencedDriver(processes, () => lease.mayAct());
  const monitor = livenessMonitor(options.liveness);
  const { engine, manager, loop } = openScaling({
    ...{ config, policies, driver, monitor },
    stallWindow: options.liveness?.stallWindow,
    settleTime: options.settleTime,
    log: () => server.context.log,
  });
  const fleet = new FleetRunner(manager);
  const stream = new EventStream(() => ({ instances: fleet.instances }));
  manager.onChange(() => stream.changed());

  const server = await defineServer<OrchestratorSchema>({
    name: 'orchestrator',
    migrations: orchestratorMigrations,
    routes: ({ history, clock }) => ({
      fleetSizes: recordSizes(manager, engine, history, clock),
      routes: [
        orchestratorRoutes({ fleet, stream, controlToken }),
        scalingRoutes({ fleet, engine, loop, holdTime: config.SCALING_HOLD_MS, controlToken }),
      ],
      close: () => stream.close(),
    }),
  }).create({
    env: fleetEnv,
    ...(options.clock && { clock: options.clock }),
    logs,
    // Its own log lines appear among those of the services, in the same format.
    logTo: { write: (line: string) => onLine(line.trimEnd(), OWN) },
  });
  const db = server.context.db as Kysely<OrchestratorSchema>;
  const lease = fleetLease({
    db,
    clock: server.context.clock,
    url: `http://${config.HOST}:${config.ORCHESTRATOR_PORT}`,
    onLost: (holder) => {
      server.context.log.error({ holder }, 'another orchestrator has taken over this fleet: this one leaves it alone');
      driver.letGo?.();
      options.onLost?.();
    },
  });

  let stopRecording = (): Promise<void> => Promise.resolve();
  let closing: Promise<void> | undefined;
  return {
    server,
    fleet,
    controlToken,
    get url() {
      return origin.url;
    },
    async start() {
      await lease.acquire();
      const left = await leftInstances(db);
      origin.url = await listenWhereExpected(server, config, left);
      const { adopted, ended } = await takeOver(left, manager, driver, (one) => origin.isOf(one));
      if (adopted.length + ended.length > 0)
        server.context.log.warn({ adopted, ended }, 'took over the instances of an earlier orchestrator');
      stopRecording = keepRecord(db, fleet, origin, lease, server.context.log);
      await fleet.startAll();
      loop?.start();
    },
    close() {
      closing ??= (async () => {
        await loop?.close();
        await fleet.stopAll();
        monitor.destroy();
        await stopRecording();
        await lease.release().catch(() => {}); // on a failure, the lease expires
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
    args: [programOf(service as ServiceName)],
    env: {
      ...fleetEnv,
      [portVariable(service as ServiceName)]: String(port),
      INSTANCE_ID: id,
      ORCHESTRATOR_URL: ownUrl(),
      // The other services get their requests from the gateway, which passes on the address of the client.
      ...(service !== 'web' && { TRUST_PROXY: 'loopback' }),
    },
  });
  const stopTimeout = config.DRAIN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS + STOP_MARGIN;
  return childProcesses({ command, stopTimeout, ...(onLine !== undefined && { onLine }) });
}

/**
 * If the system chooses the port, reuses the previous one if possible, because the remaining instances look for the
 * orchestrator there.
 */
async function listenWhereExpected(
  server: FleetServer,
  config: FleetConfig,
  [left]: readonly LeftInstance[],
): Promise<string> {
  if (config.ORCHESTRATOR_PORT !== 0 || left === undefined || left.orchestrator_url === '') return server.listen();
  return server.listen(Number(new URL(left.orchestrator_url).port)).catch(() => server.listen());
}

/** Records the running instances after each change, one write at a time. Returns a function that stops it. */
function keepRecord(
  db: Kysely<OrchestratorSchema>,
  fleet: FleetRunner,
  origin: Origin,
  lease: FleetLease,
  log: Logger,
) {
  const mayWrite = (tx: Kysely<OrchestratorSchema>): Promise<boolean> => lease.isHeldIn(tx);
  let writing: Promise<void> = Promise.resolve();
  const write = (instances: readonly InstanceRecord[]): void => {
    writing = writing
      .then(() => recordInstances(db, instances, (one) => origin.of(one), mayWrite))
      .catch((err: unknown) => log.error({ err }, 'the running instances could not be recorded'));
  };
  write(fleet.instances);
  const stop = fleet.onChange(write);
  return async (): Promise<void> => {
    stop();
    await writing;
  };
}

/** The worker of that instance that logged the line; undefined if it is not one of a worker. */
function workerOf(line: string, instance: string): string | undefined {
  const [, named] = /^\{[^{}]{0,300}?"instance":"([^"\\]{1,200})"/.exec(line) ?? [];
  return named?.startsWith(`${instance}-`) === true ? named : undefined;
}

/** A line is a part of a chunk of output, and would otherwise keep the whole chunk in memory (V8's sliced strings). */
function ownCopy(line: string): string {
  return Buffer.from(line).toString();
}

function withValues(env: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
