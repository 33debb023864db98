/** The control room: its pages, what they ask, and the stream they follow. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import express, { Router, type RequestHandler } from 'express';
import type { RouteTable } from '../support/route-table.js';
import type { ServiceContext } from '../support/service.js';
import { requireDashboard } from './dashboard-access.js';
import { DASHBOARD_PREFIX, dashboardRoutes } from './dashboard-routes.js';
import { FleetSampler } from './fleet-sampler.js';
import { countForwards } from './forward-calls.js';
import { FrameStream } from './frame-stream.js';

export interface Dashboard {
  readonly routes: RouteTable;
  /** Mounted before the gateway. */
  readonly handlers: readonly RequestHandler[];
  /** Mounted after it. */
  readonly pages: RequestHandler;
  close(): Promise<void>;
}

/** Built beside the program; in a checkout it lies with the sources. */
function pagesFolder(): string {
  const built = join(dirname(resolve(process.argv[1] ?? '')), 'dashboard');
  return existsSync(built) ? built : resolve('servers/dashboard');
}

export function openDashboard(context: ServiceContext): Dashboard {
  const { config, controlToken, pulse } = context;
  const tokens = { controlToken, dashboardToken: config.DASHBOARD_TOKEN };
  const sampler: FleetSampler = new FleetSampler(context, (frame) => stream.publish(frame));
  const stream = new FrameStream((watchers) => sampler.watchedBy(watchers));
  const guard = requireDashboard(tokens);
  const access = Router().use(DASHBOARD_PREFIX, (req, res, next) => {
    if (req.path === '/access')
      next(); // tells whoever asks what a token would open
    else guard(req, res, next);
  });
  return {
    routes: dashboardRoutes({ context, tokens, stream }),
    handlers: [access, countForwards(pulse)],
    pages: express.static(pagesFolder()),
    async close() {
      stream.close();
      await sampler.close();
    },
  };
}
