/** The limiter of a service: whom it rejects is recorded with the route, and the fleet's own requests are exempt. */
import type { IncomingMessage } from 'node:http';
import {
  nameRoute,
  rateLimit,
  refuseControl,
  type LimitedRequest,
  type RateLimitMiddleware,
  type RateLimitOptions,
  type RateLimitStore,
} from '../../src/index.js';
import { trustProxyOf } from './config.js';
import { Rejections } from './rejections.js';
import { routeNames } from './route-names.js';
import type { RouteEntry } from './route-table.js';
import type { ServiceContext } from './service.js';
import type { Forward } from './system-routes.js';

export interface ServiceLimit {
  readonly middleware: RateLimitMiddleware;
  readonly rejections: Rejections;
  /** The routes by which rejected requests are named. */
  setRoutes(entries: readonly RouteEntry[], forwards: readonly Forward[]): void;
}

export interface ServiceLimitParts {
  readonly context: Pick<ServiceContext, 'config' | 'controlToken' | 'clock' | 'history' | 'workers'>;
  readonly limit: RateLimitOptions;
  readonly store: RateLimitStore | undefined;
}

const SYSTEM = '/api/v1/system/';

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0]!;
}

export function openServiceLimit({ context, limit, store }: ServiceLimitParts): ServiceLimit {
  const { config, controlToken, clock, history, workers } = context;
  const rejections = new Rejections(clock);
  let nameOf: ReturnType<typeof routeNames> = () => undefined;

  /** Polls of the web server and of the orchestrator, and requests of an operator. */
  const isOfFleet = (req: IncomingMessage): boolean =>
    pathOf(req).startsWith(SYSTEM) &&
    (isOfAnotherWorker(req) || (controlToken !== undefined && refuseControl(req, controlToken) === undefined));

  /** The request was counted when it reached the server, by the worker that asks now. */
  const isOfAnotherWorker = (req: IncomingMessage): boolean => workers?.isPublic(req) === false;

  function noteRejection(limited: LimitedRequest, req: IncomingMessage): void {
    const { method = 'GET' } = req;
    const route = nameOf(method, pathOf(req));
    if (route !== undefined) nameRoute(route);
    const operation = `${method} ${route ?? '(unmatched)'}`;
    const begun = rejections.note(limited, operation);
    if (begun !== undefined) history.note('limit', `limit '${begun.limit}' rejects ${begun.client}: ${operation}`);
  }

  const middleware = rateLimit({
    trustProxy: trustProxyOf(config),
    ...(store && { store }),
    ...limit,
    skip: (req) => isOfFleet(req) || (limit.skip?.(req) ?? false),
    onLimited: async (limited, req, res) => {
      noteRejection(limited, req);
      await limit.onLimited?.(limited, req, res);
    },
  });
  return {
    middleware,
    rejections,
    setRoutes(entries, forwards) {
      nameOf = routeNames(entries, forwards);
    },
  };
}
