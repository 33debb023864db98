/** The control room: its pages, its data and its event stream. */
import { existsSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { Router, type RequestHandler } from 'express';
import type { Middleware } from '../../src/index.js';
import { CloseStack } from '../support/close-stack.js';
import { trustProxyOf } from '../support/config.js';
import { workersStore } from '../support/limit-store.js';
import type { RouteTable } from '../support/route-table.js';
import type { ServiceContext } from '../support/service.js';
import { controlRoomLimit } from './control-room-limit.js';
import { requireDashboard } from './dashboard-access.js';
import { DASHBOARD_PREFIX, dashboardRoutes } from './dashboard-routes.js';
import { FleetSampler } from './fleet-sampler.js';
import { countForwards } from './forward-calls.js';
import { servePages } from './pages.js';
import { controlSession } from './session.js';
import { FrameStream } from './frame-stream.js';
import { sharedFrames } from './shared-frames.js';

export interface Dashboard {
  readonly routes: RouteTable;
  /** Mounted before the gateway's limits: the session, and the limits of the control room's own requests. */
  readonly front: readonly Middleware[];
  /** Whether a request is exempt from the gateway's limits. */
  readonly isExempt: (req: IncomingMessage) => boolean;
  /** Runs just before the gateway. */
  readonly forward: Middleware;
  /** Mounted before the routes: the check of the dashboard token, and the pages. */
  readonly handlers: readonly RequestHandler[];
  close(): Promise<void>;
}

/** The built pages are beside the program; in a checkout they are with the sources. */
function pagesFolder(): string {
  const built = join(dirname(resolve(process.argv[1] ?? '')), 'dashboard');
  return existsSync(built) ? built : resolve('servers/dashboard');
}

export function openDashboard(context: ServiceContext): Dashboard {
  const { config, controlToken, pulse } = context;
  const tokens = { controlToken, dashboardToken: config.DASHBOARD_TOKEN };
  const frames = openStream(context);
  const stack = new CloseStack();
  const store = context.workers && workersStore(stack);
  const guard = requireDashboard(tokens);
  const access = Router().use(DASHBOARD_PREFIX, (req, res, next) => {
    if (req.path === '/access')
      next(); // answers everyone, with the access that the token grants
    else guard(req, res, next);
  });
  const limit = controlRoomLimit({ tokens, trustProxy: trustProxyOf(config), store, folder: pagesFolder() });
  const session = controlToken === undefined ? [] : [controlSession(controlToken, () => context.clock.now())];
  return {
    front: [...session, ...limit.handlers],
    isExempt: limit.isExempt,
    routes: dashboardRoutes({ context, tokens, stream: frames.stream }),
    forward: countForwards(pulse),
    handlers: [access, ...servePages(pagesFolder())],
    async close() {
      await frames.close();
      await limit.close();
      await stack.close();
    },
  };
}

/** The frames of the fleet, sampled while a page is connected. With workers, one samples for all of them. */
function openStream(context: ServiceContext): { readonly stream: FrameStream; close(): Promise<void> } {
  const sampler: FleetSampler = new FleetSampler(context, (frame) => stream.publish(frame));
  const stream = new FrameStream((watchers) =>
    shared === undefined ? sampler.watchedBy(watchers) : shared.watchedBy(watchers),
  );
  const shared = context.workers && sharedFrames(context.workers, stream, sampler);
  return {
    stream,
    async close() {
      shared?.close();
      stream.close();
      await sampler.close();
    },
  };
}
