/** Health endpoints: `/health`, `/livez`, `/readyz` and `/startupz`, answered from probes, and a shutdown that drains. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ConnectionTracker } from '../health/connection-tracker.js';
import type { ProbeReport } from '../health/probe-report.js';
import type { ProbeResult } from '../health/probe.js';
import { ReadinessProbe, type ProbeScope } from '../health/readiness-probe.js';
import { ServerDrain } from '../health/server-drain.js';
import { monotonicClock, type Clock } from '../shared/clock.js';
import { isDirectLocalRequest } from '../shared/control-access.js';
import type { Middleware, NextFunction } from '../shared/http.js';
import { nameRoute } from '../shared/instrumentation.js';
import { anyOf, checkOptions, clock, func, having, milliseconds, object, oneOf, string } from '../shared/options.js';
import { problem, sendProblem } from '../shared/problem.js';

/** Where each endpoint answers; `false` leaves it out. Matched exactly, after the path the middleware is mounted on. */
export interface HealthPaths {
  /** Everything together. Default `/health`. */
  readonly health?: string | false;
  /** Default `/livez`. */
  readonly live?: string | false;
  /** Default `/readyz`. */
  readonly ready?: string | false;
  /** Default `/startupz`. */
  readonly startup?: string | false;
}

/** What is probed, who sees the details, and how a shutdown proceeds. */
export interface HealthEndpointsOptions {
  /** `serviceId` of the answers' details. */
  readonly serviceName?: string;
  /** The probes to answer from. Default: its own, empty ones, found as `probes` on the middleware. */
  readonly probes?: ReadinessProbe;
  /**
   * Who sees more than the verdict: 'local' (the default) programs on this machine that ask directly, 'always'
   * everybody, 'never' nobody, or whom the function admits.
   */
  readonly details?: 'local' | 'always' | 'never' | ((req: IncomingMessage) => boolean);
  /** Milliseconds `shutdown` still serves while readiness fails already. Default 5000. */
  readonly drainDelay?: number;
  /** Milliseconds from its start after which `shutdown` destroys what is still open. Default 25 000. */
  readonly drainTimeout?: number;
  readonly paths?: HealthPaths;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

/** The middleware with its probes and the shutdown that they announce. */
export type HealthEndpoints = Middleware & {
  readonly probes: ReadinessProbe;
  /**
   * Readiness fails at once; after the drain delay the server stops listening, responses say `Connection: close`, idle
   * connections are closed and running requests finish; at the deadline the rest is destroyed, upgraded sockets too.
   * Called again, from a second signal half a second or more after the first, it ends everything at once. Settles when
   * the server is closed.
   */
  shutdown(server: Server): Promise<void>;
  /** Closes the probes unless they were given. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

interface Endpoint {
  readonly scope: ProbeScope;
  readonly status: (report: ProbeReport) => ProbeReport['status'];
  /** Whether details are told without `?verbose`. */
  readonly verbose: boolean;
}

const verdict = (good: boolean): 'pass' | 'fail' => (good ? 'pass' : 'fail');

const ENDPOINTS: Readonly<Record<keyof Required<HealthPaths>, Endpoint>> = {
  health: { scope: 'all', status: (report) => report.status, verbose: true },
  live: { scope: 'liveness', status: (report) => verdict(report.live), verbose: false },
  ready: { scope: 'readiness', status: (report) => verdict(report.ready), verbose: false },
  startup: { scope: 'startup', status: (report) => verdict(report.started), verbose: false },
};

const DEFAULT_PATHS: Required<HealthPaths> = {
  health: '/health',
  live: '/livez',
  ready: '/readyz',
  startup: '/startupz',
};

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
    if (where !== false) byPath.set(where, ENDPOINTS[name]);
  }
  return byPath;
}

function admitsBy(details: HealthEndpointsOptions['details'] = 'local'): (req: IncomingMessage) => boolean {
  switch (details) {
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
          return false; // when in doubt, nothing is told
        }
      };
  }
}

/** The details of one probe, named as the health+json format names them (draft-inadarei-api-health-check §4). */
function describeCheck({ kind, critical, status, observedValue, observedUnit, output, duration, time }: ProbeResult) {
  const rounded = duration === undefined ? undefined : Math.round(duration);
  return { componentType: kind, critical, status, observedValue, observedUnit, output, duration: rounded, time };
}

function describe(status: string, report: ProbeReport, serviceName: string | undefined): object {
  const checks: Record<string, object[]> = {};
  for (const check of report.checks) (checks[check.name] ??= []).push(describeCheck(check));
  const { started, live, ready, draining } = report;
  return {
    status,
    serviceId: serviceName,
    started,
    live,
    ready,
    draining,
    uptime: Math.round(process.uptime()),
    checks,
  };
}

function answer(req: IncomingMessage, res: ServerResponse, isGood: boolean, document: object): void {
  const body = Buffer.from(JSON.stringify(document));
  res.statusCode = isGood ? 200 : 503;
  res.setHeader('Content-Type', 'application/health+json');
  res.setHeader('Content-Length', body.length);
  res.setHeader('Cache-Control', 'no-store');
  res.end(req.method === 'HEAD' ? undefined : body);
}

/**
 * Answers `GET /health` (everything together, `application/health+json`), `/livez`, `/readyz` and `/startupz`: 200 or
 * 503, never cached, details only for whom `details` admits (the last three with `?verbose`). A probe that throws or
 * hangs has failed; what has not answered yet is not ready. Mount it before whatever could block a probe.
 *
 * ```ts
 * const health = healthEndpoints({ serviceName: 'reports' });
 * health.probes.registerReadinessProbe('database', poolProbe(pool));
 * app.use(health);
 * process.on('SIGTERM', () => void health.shutdown(server));
 * ```
 *
 * @throws TypeError or RangeError for a wrong option
 */
export function healthEndpoints(options?: HealthEndpointsOptions): HealthEndpoints {
  const checked = checkOptions('healthEndpoints', options, {
    serviceName: string,
    probes: having('a ReadinessProbe', 'check', 'startDraining'),
    details: anyOf(oneOf('local', 'always', 'never'), func),
    drainDelay: milliseconds,
    drainTimeout: milliseconds,
    paths: object('an object of paths'),
    clock,
  });
  const { serviceName, clock: time = monotonicClock } = checked;
  const probes = checked.probes ?? new ReadinessProbe({ clock: time });
  const endpoints = endpointsByPath(checked.paths);
  const admits = admitsBy(checked.details);
  const drainTimes = { delay: checked.drainDelay ?? 5000, timeout: checked.drainTimeout ?? 25_000 };
  const connections = new ConnectionTracker();
  const drains = new WeakMap<Server, ServerDrain>();

  async function respond(req: IncomingMessage, res: ServerResponse, endpoint: Endpoint, query: string): Promise<void> {
    const report = await probes.check(endpoint.scope);
    const status = endpoint.status(report);
    const verbose = endpoint.verbose || /(?:^|&)verbose(?:[=&]|$)/.test(query);
    // That it is leaving is for everybody: who balances onto it need not wait for several failures.
    const notes = report.draining && status === 'fail' ? ['draining'] : undefined;
    const document = verbose && admits(req) ? describe(status, report, serviceName) : { status };
    answer(req, res, status !== 'fail', { ...document, notes });
  }

  const middleware = function healthEndpoints(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    connections.noteRequest(req, res);
    const url = req.url ?? '/';
    const queryStart = url.indexOf('?');
    const path = queryStart === -1 ? url : url.slice(0, queryStart);
    const endpoint = endpoints.get(path);
    if (endpoint === undefined) return next();
    nameRoute(path);
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      return sendProblem(req, res, problem('METHOD_NOT_ALLOWED'), { Allow: 'GET, HEAD' });
    }
    respond(req, res, endpoint, queryStart === -1 ? '' : url.slice(queryStart + 1)).catch(next);
  };

  const close = (): void => {
    connections.close();
    if (checked.probes === undefined) probes.close();
  };

  return Object.assign(middleware, {
    probes,
    shutdown(server: Server): Promise<void> {
      probes.startDraining();
      const running = drains.get(server);
      if (running !== undefined) {
        running.hurry();
        return running.ended;
      }
      const drain = new ServerDrain(server, connections, drainTimes, time);
      drains.set(server, drain);
      return drain.ended;
    },
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
  });
}
