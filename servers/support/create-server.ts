/** Assembles a server: its resources, the middleware in order, and a shutdown in the reverse order. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import express, { type Application, type NextFunction, type Request, type Response } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import {
  createMetrics,
  healthEndpoints,
  poolProbe,
  ResilienceError,
  sendError,
  trace,
  wallClock,
  type DistributedTracer,
  type HealthEndpoints,
  type RateLimitStore,
} from '../../src/index.js';
import { openHistory, type OpenedHistory } from '../history/history.js';
import { KeptTraces } from '../history/kept-traces.js';
import { historyRoutes } from '../history/history-routes.js';
import { readEngines } from '../history/engine-reading.js';
import { noteUnavailable } from '../history/target-events.js';
import { openCacheCoordination, type CacheCoordination } from './cache-coordination.js';
import { cacheRoutes } from './cache-routes.js';
import { CloseStack } from './close-stack.js';
import { portOf, readConfig, type FleetConfig } from './config.js';
import { openDatabase, type OpenedDatabase } from './database.js';
import { engineFigures, exposeEngines } from './engines.js';
import { boundedServer, listen } from './http-server.js';
import { openLimitStore } from './limit-store.js';
import { loadRoutes, measureLoad } from './load-routes.js';
import { createLogger, type Logger } from './logger.js';
import { openPeers } from './peers.js';
import { Pulse } from './pulse.js';
import { pulseRoutes } from './pulse-routes.js';
import { queryRoutes } from './query-routes.js';
import type { CreateOptions, FleetServer, ServiceContext, ServiceDefinition, ServiceParts } from './service.js';
import { openServiceCache, type ServiceCache } from './service-cache.js';
import { systemRoutes } from './system-routes.js';
import { openServiceLimit, type ServiceLimit } from './service-limit.js';
import { openTracing, type Tracing } from './tracing.js';
import { authenticateLocal } from './local-authentication.js';

/** Pages may load content only from this server. HSTS is off, because the proxy in front decides about TLS. */
const SECURITY_HEADERS: HelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      objectSrc: ["'none'"],
    },
  },
  strictTransportSecurity: false,
};

const BODY_LIMIT = '256kb';
const UNLOGGED = new Set([
  '/health',
  '/livez',
  '/readyz',
  '/startupz',
  '/metrics',
  '/api/v1/system/pulse',
  '/api/v1/system/load',
]);

/** The parts needed to build the middleware. */
interface Assembly<DB> {
  readonly definition: ServiceDefinition<DB>;
  readonly context: ServiceContext<DB>;
  readonly parts: ServiceParts;
  readonly database: OpenedDatabase<DB>;
  readonly tracing: Tracing;
  readonly history: OpenedHistory;
  readonly cache: ServiceCache | undefined;
  readonly coordination: CacheCoordination | undefined;
  readonly store: RateLimitStore | undefined;
  readonly stack: CloseStack;
}

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
  const log = createLogger({
    service: name,
    level: config.LOG_LEVEL,
    ...(config.INSTANCE_ID !== undefined && { instance: config.INSTANCE_ID }),
    ...(options.logTo !== undefined && { destination: options.logTo }),
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
  coordination = cache && (await openCacheCoordination({ name, cache, config, peers, log, stack }));
  const store = parts.limit && (await openLimitStore(name, config, log, stack));
  return serve({ definition, context, parts, database, tracing, history, cache, coordination, store, stack });
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
  const { name, config, log } = context;
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
      const actual = await listen(server, port, config.HOST);
      coordination?.join(actual);
      return `http://${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${actual}`;
    },
    close: () => stack.close(),
  };
}

interface FrontMiddleware {
  readonly traced: ReturnType<typeof trace>;
  readonly health: HealthEndpoints;
  readonly limit: ServiceLimit | undefined;
}

function createApp<DB>(assembly: Assembly<DB>, { traced, health, limit }: FrontMiddleware): Application {
  const { context, parts, database, tracing, history, cache, coordination, stack } = assembly;
  const { name, config, controlToken, log } = context;
  const limited = limit?.middleware;
  const waiting = (): number =>
    database.pool.getStats().waitingRequests + (limited?.limiter.getStats().waitingRequests ?? 0);
  const load = measureLoad(tracing.tracer, waiting, (route) => !UNLOGGED.has(route));
  stack.add(() => load.close());
  const running = { database, cache, coordination, limit, load, router: context.peers.router };
  const inFlight = (): number => tracing.tracer.getMetrics().activeTraces;
  history.follow(() => readEngines({ database, cache, limit, inFlight, fleet: parts.fleetSizes }));
  stack.add(() => history.finish());
  const engines = (): Record<string, object> => ({ ...engineFigures(running), ...parts.engines?.() });
  const metrics = createMetrics({ tracer: tracing.tracer, serviceName: name });
  stack.add(() => metrics.close());
  exposeEngines(metrics, running);
  const system = systemRoutes({
    name,
    instance: config.INSTANCE_ID,
    tracer: tracing.tracer,
    traces: new KeptTraces(tracing.tracer, history),
    controlToken,
    routes: () => tables.flatMap(({ entries }) => entries),
    forwards: parts.forwards,
    engines,
  });
  const tables = [
    ...parts.routes,
    system,
    queryRoutes({ name, controlToken, ...database }),
    loadRoutes({ name, instance: config.INSTANCE_ID, load, router: context.peers.router }),
    historyRoutes({ ...context, history }),
    pulseRoutes({ ...context, instance: config.INSTANCE_ID, engines }),
    ...(cache ? [cacheRoutes({ cache, coordination, controlToken })] : []),
  ];
  limit?.setRoutes(
    tables.flatMap(({ entries }) => entries),
    parts.forwards ?? [],
  );

  const app = express();
  app.disable('x-powered-by');
  if (coordination !== undefined) app.use(coordination.router); // messages between caches are not client requests
  if (config.CONTROL === 'loopback' && controlToken !== undefined) app.use(authenticateLocal(controlToken));
  app.use(traced, helmet(SECURITY_HEADERS), health);
  app.get('/metrics', metrics.handler);
  for (const handler of [...(parts.front ?? []), limited, cache?.responses, ...(parts.handlers ?? [])])
    if (handler !== undefined) app.use(handler);
  app.use(express.json({ limit: BODY_LIMIT }));
  for (const table of tables) app.use(table.seal().router);
  app.use((_req, _res, next) => next(new ResilienceError('NOT_FOUND', 'there is nothing at this address')));
  app.use(answerError(log));
  return app;
}

/** A stream lasts as long as its subscriber. Traced as a request, it would be the slowest one and end as aborted. */
function isEventStream(req: IncomingMessage): boolean {
  return req.headers.accept?.includes('text/event-stream') === true;
}

/** Logs one line per request. Probes, scrapes and requests of the control room are logged at level `debug`. */
function logRequests(tracer: DistributedTracer, log: Logger): void {
  tracer.onRequest(({ method, route, status, duration, traceId, spanId, aborted }) => {
    const durationMs = Math.round(duration * 100) / 100;
    const line = { method, route, status, durationMs, aborted: aborted || undefined, traceId, spanId };
    if (UNLOGGED.has(route)) log.debug(line, 'request');
    else if (status !== undefined && status >= 500) log.warn(line, 'request failed');
    else log.info(line, 'request');
  });
}

/** Answers with the problem document of an error, and logs server errors. */
function answerError(log: Logger) {
  // Express recognises an error handler by its four parameters.
  return (error: unknown, req: Request, res: Response, _next: NextFunction): void => {
    sendError(req, res, error);
    if (res.statusCode >= 500) log.error({ err: error }, 'request failed');
  };
}
