/** The HTTP side of a service: its middleware in order, and an Express application with its routes. */
import type { IncomingMessage, RequestListener } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import helmet, { type HelmetOptions } from 'helmet';
import {
  compose,
  createMetrics,
  nameRoute,
  ResilienceError,
  sendError,
  type trace,
  type DistributedTracer,
  type HealthEndpoints,
  type Metrics,
  type Middleware,
  type RateLimitStore,
} from '../../src/index.js';
import type { OpenedHistory } from '../history/history.js';
import { KeptTraces } from '../history/kept-traces.js';
import { historyRoutes } from '../history/history-routes.js';
import { readEngines } from '../history/engine-reading.js';
import { joinedRoutes } from '../workers/joined-routes.js';
import { scrapeHandler } from '../workers/scrape-handler.js';
import type { CacheCoordination } from './cache-coordination.js';
import { cacheRoutes } from './cache-routes.js';
import type { CloseStack } from './close-stack.js';
import type { OpenedDatabase } from './database.js';
import { engineFigures, exposeEngines } from './engines.js';
import { loadRoutes, measureLoad } from './load-routes.js';
import { logRoutes } from './log-routes.js';
import type { LogTail } from './log-tail.js';
import type { Logger } from './logger.js';
import { isSystemRoute } from './pulse.js';
import { pulseRoutes } from './pulse-routes.js';
import { queryRoutes } from './query-routes.js';
import type { ServiceContext, ServiceDefinition, ServiceParts } from './service.js';
import type { ServiceCache } from './service-cache.js';
import { pathOf } from './request-path.js';
import { systemRoutes } from './system-routes.js';
import type { ServiceLimit } from './service-limit.js';
import type { Tracing } from './tracing.js';
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

/** Requests that do not count as load: they come all the time, or are cheap. */
const NO_LOAD = new Set([
  '/health',
  '/livez',
  '/readyz',
  '/startupz',
  '/metrics',
  '/api/v1/system/pulse',
  '/api/v1/system/load',
]);

/** Routes of the control room that only read, although they need a body. */
const READING_POSTS = /\/(traces\/hold|purge\/preview)$/;

/** The parts needed to build the middleware. */
export interface Assembly<DB> {
  readonly definition: ServiceDefinition<DB>;
  readonly context: ServiceContext<DB>;
  readonly parts: ServiceParts;
  readonly database: OpenedDatabase<DB>;
  readonly tracing: Tracing;
  readonly history: OpenedHistory;
  readonly logs: LogTail;
  readonly cache: ServiceCache | undefined;
  readonly coordination: CacheCoordination | undefined;
  readonly store: RateLimitStore | undefined;
  readonly stack: CloseStack;
}

/** The middleware that `createServer` also uses itself. */
export interface FrontMiddleware {
  readonly traced: ReturnType<typeof trace>;
  readonly health: HealthEndpoints;
  readonly limit: ServiceLimit | undefined;
}

/** The middleware in order, and the Express application with the routes behind them. */
export function createApp<DB>(assembly: Assembly<DB>, { traced, health, limit }: FrontMiddleware): RequestListener {
  const { context, parts, database, tracing, history, logs, cache, coordination, stack } = assembly;
  const { name, config, controlToken, log, workers } = context;
  const limited = limit?.middleware;
  const waiting = (): number =>
    database.pool.getStats().waitingRequests + (limited?.limiter.getStats().waitingRequests ?? 0);
  const load = measureLoad(tracing.tracer, waiting, (route) => !NO_LOAD.has(route));
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
    logRoutes({ logs, controlToken }),
    pulseRoutes({ ...context, instance: config.INSTANCE_ID, engines }),
    ...(cache ? [cacheRoutes({ cache, coordination, controlToken })] : []),
  ];
  limit?.setRoutes(
    tables.flatMap(({ entries }) => entries),
    parts.forwards ?? [],
  );

  const app = express();
  app.disable('x-powered-by');
  for (const handler of parts.handlers ?? []) app.use(handler);
  app.use(express.json({ limit: BODY_LIMIT }));
  if (workers !== undefined) app.use(joinedRoutes(workers, controlToken));
  for (const table of tables) app.use(table.seal().router);
  app.use((_req, _res, next) => next(new ResilienceError('NOT_FOUND', 'there is nothing at this address')));
  app.use(answerError(log));
  const front = [
    coordination?.router, // messages between caches are not client requests
    config.CONTROL === 'loopback' && controlToken !== undefined ? authenticateLocal(controlToken) : undefined,
    traced,
    helmet(SECURITY_HEADERS),
    health,
    answerScrapes(scrapeHandler(metrics, name, workers)),
    ...(parts.front ?? []),
    limited,
    cache?.responses,
    ...(parts.forward ?? []),
  ];
  return compose(...front.filter((handler) => handler !== undefined), app);
}

/** Answers `GET /metrics`, before the limits. */
function answerScrapes(answer: Metrics['handler']): Middleware {
  return function scrapes(req, res, next) {
    if ((req.method !== 'GET' && req.method !== 'HEAD') || pathOf(req) !== '/metrics') return next();
    nameRoute('/metrics');
    answer(req, res);
  };
}

/** A stream lasts as long as its subscriber. Traced as a request, it would be the slowest one and end as aborted. */
export function isEventStream(req: IncomingMessage): boolean {
  return req.headers.accept?.includes('text/event-stream') === true;
}

/**
 * Logs one line per request. Probes, scrapes and what the control room reads are logged at level `debug`: it reads every
 * two seconds, and would otherwise fill the log that it shows.
 */
export function logRequests(tracer: DistributedTracer, log: Logger): void {
  tracer.onRequest(({ method, route, status, duration, traceId, spanId, aborted }) => {
    const durationMs = Math.round(duration * 100) / 100;
    const line = { method, route, status, durationMs, aborted: aborted || undefined, traceId, spanId };
    const isProbe = NO_LOAD.has(route);
    if (!isProbe && status !== undefined && status >= 500) log.warn(line, 'request failed');
    else if (isProbe || isReading(method, route)) log.debug(line, 'request');
    else log.info(line, 'request');
  });
}

function isReading(method: string, route: string): boolean {
  return isSystemRoute(route) && (method === 'GET' || method === 'HEAD' || READING_POSTS.test(route));
}

/** Answers with the problem document of an error, and logs server errors. */
function answerError(log: Logger) {
  // Express recognises an error handler by its four parameters.
  return (error: unknown, req: Request, res: Response, _next: NextFunction): void => {
    sendError(req, res, error);
    if (res.statusCode >= 500) log.error({ err: error }, 'request failed');
  };
}
