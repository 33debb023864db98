/** Joins the parts of a server: its resources, the middleware in their order, and an end in the reverse order. */
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import express, { type Application, type NextFunction, type Request, type Response } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import {
  createMetrics,
  healthEndpoints,
  poolProbe,
  rateLimit,
  ResilienceError,
  sendError,
  trace,
  wallClock,
  type DistributedTracer,
  type HealthEndpoints,
  type RateLimitMiddleware,
  type RateLimitStore,
} from '../../src/index.js';
import { openCacheCoordination, type CacheCoordination } from './cache-coordination.js';
import { cacheRoutes } from './cache-routes.js';
import { CloseStack } from './close-stack.js';
import { portOf, readConfig, trustProxyOf, type FleetConfig } from './config.js';
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
import { openTracing, type Tracing } from './tracing.js';

/** Pages load only what this server gives them. No HSTS: whether there is TLS is decided by what stands in front. */
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

/** Everything the middleware are made from. */
interface Assembly<DB> {
  readonly definition: ServiceDefinition<DB>;
  readonly context: ServiceContext<DB>;
  readonly parts: ServiceParts;
  readonly database: OpenedDatabase<DB>;
  readonly tracing: Tracing;
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
  const tracing = await openTracing(name, config);
  stack.add(() => tracing.close());
  const database = await openServiceDatabase(definition, config, log);
  stack.add(() => database.close());
  const pulse = new Pulse(tracing.tracer);
  stack.add(() => pulse.close());
  const peers = openPeers({
    config,
    overrides: options.clients ?? {},
    onClient: (service, client) => pulse.observe(service, client),
  });
  stack.add(() => peers.close());

  let cache: ServiceCache | undefined;
  let coordination: CacheCoordination | undefined = undefined;
  const context: ServiceContext<DB> = {
    name,
    config,
    env,
    log,
    peers,
    clock: options.clock ?? wallClock,
    tracer: tracing.tracer,
    pulse,
    db: database.db,
    controlToken: config.CONTROL_TOKEN,
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
  return serve({ definition, context, parts, database, tracing, cache, coordination, store, stack });
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

/** The HTTP side: middleware in their order, a server around them. */
function serve<DB>(assembly: Assembly<DB>): FleetServer {
  const { definition, context, parts, database, tracing, coordination, store, stack } = assembly;
  const { name, config, log } = context;
  const traced = trace({
    tracer: tracing.tracer,
    context: tracing.carrier,
    ignore: isEventStream,
    traceResponse: true, // whoever reports a problem can name the trace
  });
  stack.add(() => traced.close());
  const health = healthEndpoints({
    serviceName: name,
    drainDelay: config.DRAIN_DELAY_MS,
    drainTimeout: config.DRAIN_DELAY_MS + config.SHUTDOWN_TIMEOUT_MS,
  });
  stack.add(() => health.close());
  health.probes.registerReadinessProbe('database', poolProbe(database.pool));
  const limited =
    parts.limit && rateLimit({ trustProxy: trustProxyOf(config), ...(store && { store }), ...parts.limit });
  stack.add(() => limited?.close());

  const app = createApp(assembly, { traced, health, limited });
  logRequests(tracing.tracer, log);
  const server = boundedServer(app);
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
  readonly limited: RateLimitMiddleware | undefined;
}

function createApp<DB>(assembly: Assembly<DB>, { traced, health, limited }: FrontMiddleware): Application {
  const { context, parts, database, tracing, cache, coordination, stack } = assembly;
  const { name, config, controlToken, log } = context;
  const waiting = (): number =>
    database.pool.getStats().waitingRequests + (limited?.limiter.getStats().waitingRequests ?? 0);
  const load = measureLoad(tracing.tracer, waiting, (route) => !UNLOGGED.has(route));
  stack.add(() => load.close());
  const running = { database, cache, coordination, limited, load, router: context.peers.router };
  const engines = (): Record<string, object> => ({ ...engineFigures(running), ...parts.engines?.() });
  const metrics = createMetrics({ tracer: tracing.tracer, serviceName: name });
  stack.add(() => metrics.close());
  exposeEngines(metrics, running);
  const system = systemRoutes({
    name,
    instance: config.INSTANCE_ID,
    tracer: tracing.tracer,
    controlToken,
    routes: () => tables.flatMap(({ entries }) => entries),
    forwards: parts.forwards,
    engines,
  });
  const tables = [
    ...parts.routes,
    system,
    queryRoutes({ name, controlToken, ...database }),
    loadRoutes({ name, instance: config.INSTANCE_ID, load }),
    pulseRoutes({ ...context, instance: config.INSTANCE_ID, engines }),
    ...(cache ? [cacheRoutes({ cache, coordination, controlToken })] : []),
  ];

  const app = express();
  app.disable('x-powered-by');
  if (coordination !== undefined) app.use(coordination.router); // what caches tell each other is nobody's request
  app.use(traced, helmet(SECURITY_HEADERS), health);
  app.get('/metrics', metrics.handler);
  for (const handler of [limited, cache?.responses, ...(parts.handlers ?? [])])
    if (handler !== undefined) app.use(handler);
  app.use(express.json({ limit: BODY_LIMIT }));
  for (const table of tables) app.use(table.seal().router);
  app.use((_req, _res, next) => next(new ResilienceError('NOT_FOUND', 'there is nothing at this address')));
  app.use(answerError(log));
  return app;
}

/** A stream lasts as long as its subscriber stays: as a request it would be the slowest of all, and end aborted. */
function isEventStream(req: IncomingMessage): boolean {
  return req.headers.accept?.includes('text/event-stream') === true;
}

/** One line a request, none for probes, scrapes and the control room's looks. */
function logRequests(tracer: DistributedTracer, log: Logger): void {
  tracer.onRequest(({ method, route, status, duration, traceId, spanId, aborted }) => {
    if (UNLOGGED.has(route)) return;
    const durationMs = Math.round(duration * 100) / 100;
    const line = { method, route, status, durationMs, aborted: aborted || undefined, traceId, spanId };
    if (status !== undefined && status >= 500) log.warn(line, 'request failed');
    else log.info(line, 'request');
  });
}

/** Answers with the problem document of an error, and logs those that are this side's fault. */
function answerError(log: Logger) {
  // Express tells an error handler by its four parameters.
  return (error: unknown, req: Request, res: Response, _next: NextFunction): void => {
    sendError(req, res, error);
    if (res.statusCode >= 500) log.error({ err: error }, 'request failed');
  };
}
