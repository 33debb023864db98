/** Health endpoints: `/health`, `/livez`, `/readyz` and `/startupz`, answered from probes, and a shutdown that drains. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import { ConnectionTracker } from '../health/connection-tracker.js';
import { LivenessThread, type LivenessThreadOptions } from '../health/liveness-thread.js';
import type { ProbeReport } from '../health/probe-report.js';
import { ReadinessProbe, type ProbeScope } from '../health/readiness-probe.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { isDirectLocalRequest, refuseControl } from '../shared/control-access.js';
import { prepareForExpress } from '../shared/express-shapes.js';
import type { NextFunction } from '../shared/http.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import { nameRouteOf, runInContextOf } from '../shared/instrumentation.js';
import { anyOf, checkOptions, clock, func, having, milliseconds, object, oneOf, string } from '../shared/options.js';
import { NEEDS_NO_CONTEXT } from '../shared/request-context.js';
import { readTarget } from '../shared/request-target.js';
import { warningsCheck, warnOnce, type WarningsOption } from '../shared/warnings.js';
import { describe } from './health-document.js';
import { Shutdowns } from './health-shutdown.js';
import { named } from './named.js';
import { FOLLOWED_BY, OwnRoutes } from './own-routes.js';

/**
 * Where each endpoint answers; `false` leaves it out. Matched exactly, after the path the middleware is mounted on. A path
 * that is set here is always answered. A path by default is left to the application if it has a route of its own there.
 */
export interface HealthPaths {
  /** The combined status. Default `/health`. */
  readonly health?: string | false;
  /** Default `/livez`. */
  readonly live?: string | false;
  /** Default `/readyz`. */
  readonly ready?: string | false;
  /** Default `/startupz`. */
  readonly startup?: string | false;
}

/** The options for probes, for access to the details, and for shutdown. */
export interface HealthEndpointsOptions<Req extends IncomingMessage = IncomingMessage> {
  /** `serviceId` of the answers' details. */
  readonly serviceName?: string;
  /** The probes that determine the responses. Default: its own empty set, available as `probes` on the middleware. */
  readonly probes?: ReadinessProbe;
  /**
   * Access to the details, beyond pass or fail.
   *
   * - `'token'` (the default): requests that present `controlToken`.
   * - `'always'`: all requests.
   * - `'never'`: no requests.
   * - `'local'`: direct requests from programs on this machine. Behind a reverse proxy on this machine, every request
   *   counts as local.
   * - A function: the requests for which it returns true.
   */
  readonly details?: 'token' | 'local' | 'always' | 'never' | ((req: Req) => boolean);
  /**
   * The token for requests for details, sent as `Authorization: Bearer …`. Without it, the default shows details to no
   * client.
   */
  readonly controlToken?: string;
  /** Milliseconds that `shutdown` still serves requests while readiness already fails. Default 5000. */
  readonly drainDelay?: number;
  /** Milliseconds from its start after which `shutdown` destroys the remaining connections. Default 25 000. */
  readonly drainTimeout?: number;
  readonly paths?: HealthPaths;
  /**
   * Answers liveness (`paths.live`) from a thread, on a port of its own, also while the event loop is blocked. The
   * thread reports that the process is not alive when the loop has been blocked for `maxBlocked` ms. Default: none.
   */
  readonly livenessThread?: LivenessThreadOptions;
  /**
   * Called when `shutdown` starts, while the server still serves, and awaited for at most `drainTimeout`. The server
   * stops listening once this and the drain delay are over.
   */
  readonly beforeShutdown?: () => unknown;
  /**
   * Called when the last connection is closed, to close databases and queues, and awaited for at most 5000 ms.
   * `shutdown` settles after it.
   */
  readonly onSignal?: () => unknown;
  /** Which warnings are emitted. Default: all. */
  readonly warnings?: WarningsOption;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The middleware with its probes and the shutdown that they announce. */
export type HealthEndpoints<Req extends IncomingMessage = IncomingMessage> = ((
  req: Req,
  res: ServerResponse,
  next: NextFunction,
) => void) & {
  readonly probes: ReadinessProbe;
  /** The thread of the option `livenessThread`. `listening` settles with its port. */
  readonly livenessThread: LivenessThread | undefined;
  /**
   * Readiness fails at once, and every response carries `Connection: close` (HTTP/2 sessions get a GOAWAY). After the
   * drain delay the server stops listening. Running requests finish. Idle connections are closed one second after the
   * start, because a request may be on its way on them. At the deadline all remaining connections are destroyed,
   * upgraded sockets too. A second call half a second or more after the first, from a second signal, ends everything at
   * once. Settles when the server is closed.
   */
  shutdown(server: Server | Http2Server | Http2SecureServer): Promise<void>;
  /** Closes the probes unless they were given. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

interface Endpoint {
  /** Whether the path was chosen by the user, and is answered even if the application has a route there. */
  readonly isChosen: boolean;
  readonly scope: ProbeScope;
  readonly status: (report: ProbeReport) => ProbeReport['status'];
  /** Whether details are shown without `?verbose`. */
  readonly verbose: boolean;
}

const verdict = (good: boolean): 'pass' | 'fail' => (good ? 'pass' : 'fail');

const ENDPOINTS: Readonly<Record<keyof Required<HealthPaths>, Omit<Endpoint, 'isChosen'>>> = {
  health: { scope: 'all', status: (report) => report.status, verbose: true },
  live: { scope: 'liveness', status: (report) => verdict(report.live), verbose: false },
  ready: { scope: 'readiness', status: (report) => verdict(report.ready), verbose: false },
  startup: { scope: 'startup', status: (report) => verdict(report.started), verbose: false },
};

const DEFAULT_PATHS = {
  health: '/health',
  live: '/livez',
  ready: '/readyz',
  startup: '/startupz',
} as const satisfies Required<HealthPaths>;

const path = anyOf({ ...string, expected: 'a path' }, oneOf(false));

function endpointsByPath(paths: HealthPaths | undefined): ReadonlyMap<string, Endpoint> {
  const checked = checkOptions<HealthPaths>('healthEndpoints: paths', paths, {
    health: path,
    live: path,
    ready: path,
    startup: path,
  });
  const byPath = new Map<string, Endpoint>();
  for (const name of Object.keys(ENDPOINTS) as Array<keyof HealthPaths>) {
    const where = checked[name] ?? DEFAULT_PATHS[name];
    if (where !== false) byPath.set(where, { ...ENDPOINTS[name], isChosen: checked[name] !== undefined });
  }
  return byPath;
}

function admitsBy({ details = 'token', controlToken }: HealthEndpointsOptions): (req: IncomingMessage) => boolean {
  switch (details) {
    case 'token':
      return (req) => refuseControl(req, controlToken) === undefined;
    case 'local':
      return isDirectLocalRequest;
    case 'always':
      return () => true;
    case 'never':
      return () => false;
    default:
      return (req) => {
        try {
          return details(req) === true;
        } catch {
          return false; // when in doubt, show no details
        }
      };
  }
}

const detailsOf = ({ details = 'token' }: HealthEndpointsOptions) =>
  typeof details === 'function' ? 'function' : details;

/** The target below the mount path; of the absolute form (RFC 9112 §3.2.2) the path and query. */
function localTarget(req: IncomingMessage): string {
  const { url = '/' } = req;
  if (url.startsWith('/')) return url;
  const target = readTarget(req);
  return typeof target === 'string' ? url : target.path;
}

function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const at = target.indexOf('?');
  return at === -1 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at + 1) };
}

const ownRouteText = (path: string): string =>
  `the application has its own route GET ${path}, which answers instead. Set the option 'paths' to the path that the ` +
  'probes answer, or to false';

function answer(req: IncomingMessage, res: ServerResponse, isGood: boolean, document: object): void {
  const body = Buffer.from(JSON.stringify(document));
  res.statusCode = isGood ? 200 : 503;
  res.setHeader('Content-Type', 'application/health+json');
  res.setHeader('Content-Length', body.length);
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : body);
}

/**
 * Answers `GET /health` (all probes together, `application/health+json`), `/livez`, `/readyz` and `/startupz` with 200
 * or 503. The responses are never cached. Details are shown only to requests that `details` admits (for the last three
 * with `?verbose`). A probe that throws or hangs has failed, and a probe without a result is not ready. Mount it before
 * any middleware that could block a probe.
 *
 * Methods other than GET and HEAD are passed on. So is a path for which the Express application has a route of its own,
 * with the warning TOOLOO_HEALTH_OWN_ROUTE, unless `paths` names it.
 *
 * @throws TypeError or RangeError for an invalid option
 *
 * @example
 * import { healthEndpoints, poolProbe } from '@tooloo/resilience';
 *
 * const health = healthEndpoints();
 * health.probes.registerReadinessProbe('database', poolProbe(pool));
 * app.use(health);
 * process.once('SIGTERM', () => void health.shutdown(server));
 */
export function healthEndpoints<Req extends IncomingMessage = IncomingMessage>(
  options?: HealthEndpointsOptions<Req>,
): HealthEndpoints<Req>;
export function healthEndpoints(options?: HealthEndpointsOptions): HealthEndpoints {
  prepareForExpress();
  const checked = checkOptions('healthEndpoints', options, {
    serviceName: string,
    probes: having('a ReadinessProbe', 'check', 'startDraining'),
    details: anyOf(oneOf('token', 'local', 'always', 'never'), func),
    controlToken: string,
    drainDelay: milliseconds,
    drainTimeout: milliseconds,
    paths: object('an object of paths'),
    livenessThread: object(),
    beforeShutdown: func,
    onSignal: func,
    warnings: warningsCheck,
    clock,
  });
  const { serviceName, clock: time = monotonicClock } = checked;
  const probes = checked.probes ?? new ReadinessProbe({ clock: time });
  const endpoints = endpointsByPath(checked.paths);
  const admits = admitsBy(checked);
  const drainTimes = { delay: checked.drainDelay ?? 5000, timeout: checked.drainTimeout ?? 25_000 };
  const livePath = checked.paths?.live || DEFAULT_PATHS.live; // the thread has one even if the endpoint is off
  const livenessThread = checked.livenessThread && new LivenessThread(checked.livenessThread, livePath, probes, time);
  const connections = new ConnectionTracker(); // subscribes, so only once nothing more can be wrong with the options
  const shutdowns = new Shutdowns(probes, connections, drainTimes, checked, time);

  async function respond(req: IncomingMessage, res: ServerResponse, endpoint: Endpoint, query: string): Promise<void> {
    const report = await probes.check(endpoint.scope);
    const status = endpoint.status(report);
    const verbose = endpoint.verbose || /(?:^|&)verbose(?:[=&]|$)/.test(query);
    // Draining is shown to every client, so that a load balancer does not have to wait for several failures.
    const notes = report.draining && status === 'fail' ? ['draining'] : undefined;
    const document = verbose && admits(req) ? describe(status, report, serviceName) : { status };
    answer(req, res, status !== 'fail', { ...document, notes });
  }

  const serve = (req: IncomingMessage, res: ServerResponse, next: NextFunction): void => {
    connections.noteRequest(req, res);
    const { path, query } = splitTarget(localTarget(req));
    const endpoint = endpoints.get(path);
    if (endpoint === undefined || (req.method !== 'GET' && req.method !== 'HEAD')) return next();
    if (!endpoint.isChosen && ownRoutes.has(req, path)) {
      const { warnings } = checked;
      const warn = (): void => warnOnce('TOOLOO_HEALTH_OWN_ROUTE', 'healthEndpoints', ownRouteText(path), warnings);
      runInContextOf(req, warn);
      return next();
    }
    nameRouteOf(req, path);
    runInContextOf(req, () => respond(req, res, endpoint, query)).catch(next);
  };
  const middleware = named('healthEndpoints', serve);
  const ownRoutes = new OwnRoutes(middleware);

  const close = (): void => {
    connections.close();
    livenessThread?.close();
    if (checked.probes === undefined) probes.close();
  };

  return Object.assign(middleware, {
    probes,
    livenessThread,
    shutdown: (server: Server | Http2Server | Http2SecureServer) => shutdowns.shutdown(server as Server),
    [INSPECT]: (): Inspection => ({ kind: 'healthEndpoints', details: detailsOf(checked) }),
    [NEEDS_NO_CONTEXT]: true,
    [FOLLOWED_BY]: (applications: readonly unknown[]) => ownRoutes.followedBy(applications),
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
  });
}
