/** Assembles a server: its resources, the middleware in order, and a shutdown in the reverse order. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { healthEndpoints, poolProbe, trace, wallClock } from '../../src/index.js';
import { openHistory } from '../history/history.js';
import { noteUnavailable } from '../history/target-events.js';
import { openCacheCoordination, type CacheCoordination } from './cache-coordination.js';
import { CloseStack } from './close-stack.js';
import { portOf, readConfig, type FleetConfig } from './config.js';
import { openDatabase, type OpenedDatabase } from './database.js';
import { boundedServer, listen } from './http-server.js';
import { openLimitStore } from './limit-store.js';
import { createLogger, type Logger } from './logger.js';
import { LogTail } from './log-tail.js';
import { openPeers } from './peers.js';
import { Pulse } from './pulse.js';
import { secretRemover } from './secret-text.js';
import type { CreateOptions, FleetServer, ServiceContext, ServiceDefinition, ServiceParts } from './service.js';
import { openServiceCache, type ServiceCache } from './service-cache.js';
import { openServiceLimit } from './service-limit.js';
import { openTracing } from './tracing.js';
import { createApp, isEventStream, logRequests, type Assembly } from './service-app.js';

/** Where a worker answers alone. The public port belongs to the primary process. */
const LOCAL = '127.0.0.1';

export async function createServer<DB>(
  definition: ServiceDefinition<DB>,
  options: CreateOptions,
): Promise<FleetServer> {
  const stack = new CloseStack();
  try {
    return await build(definition, options, stack);
  } catch (error) {
    await stack.close();
    throw error;
  }
}

async function build<DB>(
  definition: ServiceDefinition<DB>,
  options: CreateOptions,
  stack: CloseStack,
): Promise<FleetServer> {
  const { name } = definition;
  const env = options.env ?? process.env;
  const config = readConfig(env);
  const logs = options.logs ?? new LogTail(secretRemover(env));
  const log = createLogger({
    service: name,
    level: config.LOG_LEVEL,
    ...(config.INSTANCE_ID !== undefined && { instance: config.INSTANCE_ID }),
    ...(options.logTo !== undefined && { destination: options.logTo }),
    ...(options.logs === undefined && { tail: logs }),
  });
  // In this mode, local requests need no token. `authenticateLocal` adds this one to them.
  const isOpen = config.CONTROL === 'loopback';
  const controlToken = config.CONTROL_TOKEN ?? (isOpen ? randomBytes(24).toString('base64url') : undefined);
  const tracing = await openTracing(name, config);
  stack.add(() => tracing.close());
  const database = await openServiceDatabase(definition, config, log);
  stack.add(() => database.close());
  const clock = options.clock ?? wallClock;
  const history = openHistory({ name, config, tracer: tracing.tracer, clock, log });
  stack.add(() => history.close());
  const pulse = new Pulse(tracing.tracer, wallClock, history);
  stack.add(() => pulse.close());
  const peers = openPeers({
    config,
    overrides: options.clients ?? {},
    onClient: (service, client) => pulse.observe(service, client),
  });
  stack.add(() => peers.close());
  noteUnavailable(peers.router, history);

  let cache: ServiceCache | undefined;
  let coordination: CacheCoordination | undefined = undefined;
  const context: ServiceContext<DB> = {
    name,
    config,
    env,
    log,
    peers,
    clock,
    tracer: tracing.tracer,
    pulse,
    history,
    db: database.db,
    controlToken,
    workers: options.workers,
    client: (service) => peers.client(service),
    openCache: (plan) => {
      cache = openServiceCache(plan, name, config, stack);
      return cache.manager;
    },
    publishInvalidation: async (pattern) => coordination?.publish(pattern),
  };
  const made = definition.routes(context);
  const parts: ServiceParts = 'routes' in made ? made : { routes: made };
  stack.add(() => parts.close?.());
  coordination =
    cache && (await openCacheCoordination({ name, cache, config, peers, log, stack, workers: options.workers }));
  const store = parts.limit && (await openLimitStore(context, stack));
  return serve({ definition, context, parts, database, tracing, history, logs, cache, coordination, store, stack });
}

function openServiceDatabase<DB>(
  { name, migrations = [] }: ServiceDefinition<DB>,
  config: FleetConfig,
  log: Logger,
): Promise<OpenedDatabase<DB>> {
  const path = join(config.DATA_DIR, `${name}.sqlite`);
  const url = config.DATABASE_URL;
  return openDatabase<DB>({ path, migrations, log, ...(url !== undefined && { url, schema: `tooloo_${name}` }) });
}

/** The HTTP side: the middleware in order, and the server around them. */
function serve<DB>(assembly: Assembly<DB>): FleetServer {
  const { definition, context, parts, database, tracing, coordination, store, stack } = assembly;
  const { name, config, log, workers } = context;
  const traced = trace({
    tracer: tracing.tracer,
    context: tracing.carrier,
    ignore: isEventStream,
    captureHeaders: config.TRACE_HEADERS?.split(/ *, */) ?? [],
    traceResponse: true, // so that a problem report can quote the trace
  });
  stack.add(() => traced.close());
  const health = healthEndpoints({
    serviceName: name,
    ...(context.controlToken !== undefined && { controlToken: context.controlToken }),
    drainDelay: config.DRAIN_DELAY_MS,
    drainTimeout: config.DRAIN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS,
    ...(workers && { beforeShutdown: () => workers.leave() }),
  });
  stack.add(() => health.close());
  health.probes.registerReadinessProbe('database', poolProbe(database.pool));
  // A probe and not only a figure, because this instance may still serve entries that other services invalidated.
  if (coordination !== undefined)
    health.probes.registerResourceProbe('invalidations accepted', () => coordination.status().refused === 0);
  const limit = parts.limit && openServiceLimit({ context, limit: parts.limit, store });
  stack.add(() => limit?.middleware.close());

  const app = createApp(assembly, { traced, health, limit });
  logRequests(tracing.tracer, log);
  const server = boundedServer(app, name !== 'web');
  parts.onUpgrade?.(server);
  stack.add(() => (server.listening ? health.shutdown(server) : undefined));
  return {
    app,
    context: context as ServiceContext,
    async listen(port = portOf(config, definition.name)) {
      if (workers !== undefined) {
        const own = await listen(server, 0, LOCAL);
        coordination?.join(own);
        workers.serve(server);
        return `http://${LOCAL}:${own}`;
      }
      const actual = await listen(server, port, config.HOST);
      coordination?.join(actual);
      return `http://${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${actual}`;
    },
    close: () => stack.close(),
  };
}
