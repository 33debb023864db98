/**
 * The limit of the control room's own requests. They are exempt from the limits of the gateway, so that an operator can
 * load and use the page while the operator's address is limited. They have limits of their own.
 */
import { readdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { rateLimit, type Middleware, type RateLimitStore, type TrustProxy } from '../../src/index.js';
import { pathOf } from '../support/request-path.js';
import { accessOf, type DashboardTokens } from './dashboard-access.js';
import { DASHBOARD_PREFIX } from './dashboard-routes.js';

/** For all callers with access together: many tabs of several operators. */
const OPERATORS = { name: 'operators', rateLimit: 1000, refillRate: 200 };

/** For each address without access: pages, and attempts to get access. */
const OTHERS = { name: 'visitor', rateLimit: 120, refillRate: 10 };

/**
 * For all searches of log lines together, because each search goes through all stored lines. A page that follows them
 * sends one every two seconds.
 */
const LOGS = { name: 'logs', rateLimit: 60, refillRate: 20 };
const LOGS_PATH = `${DASHBOARD_PREFIX}/logs`;

const SYSTEM = '/api/v1/system/';

export interface ControlRoomLimitOptions {
  readonly tokens: DashboardTokens;
  readonly trustProxy: TrustProxy;
  /** Keeps the limits. Default: the memory of this process. */
  readonly store?: RateLimitStore | undefined;
  /** The folder with the files of the pages. */
  readonly folder: string;
}

export interface ControlRoomLimit {
  /** Whether the request is one of the control room, and therefore exempt from the gateway's limits. */
  readonly isExempt: (req: IncomingMessage) => boolean;
  /** Limits the exempt requests. */
  readonly handlers: readonly Middleware[];
  close(): Promise<void>;
}

export function controlRoomLimit({ tokens, trustProxy, store, folder }: ControlRoomLimitOptions): ControlRoomLimit {
  const pages = new Set(['/', ...readdirSync(folder, { recursive: true }).map((name) => `/${String(name)}`)]);
  const isOperator = (req: IncomingMessage): boolean => accessOf(req, tokens).read;
  const isExempt = (req: IncomingMessage): boolean => {
    const path = pathOf(req);
    if (path.startsWith(`${DASHBOARD_PREFIX}/`)) return true;
    if (path.startsWith(SYSTEM)) return accessOf(req, tokens).control;
    return (req.method === 'GET' || req.method === 'HEAD') && pages.has(path);
  };
  const kept = store === undefined ? {} : { store };
  const operators = rateLimit({
    ...kept,
    ...OPERATORS,
    key: () => 'all',
    headers: 'none',
    skip: (req) => !isExempt(req) || !isOperator(req),
  });
  const others = rateLimit({
    ...kept,
    ...OTHERS,
    trustProxy,
    headers: 'none',
    skip: (req) => !isExempt(req) || isOperator(req),
  });
  const logs = rateLimit({
    ...kept,
    ...LOGS,
    key: () => 'all',
    headers: 'none',
    skip: (req) => pathOf(req) !== LOGS_PATH,
  });
  return {
    isExempt,
    handlers: [operators, others, logs],
    async close() {
      await operators.close();
      await others.close();
      await logs.close();
    },
  };
}
