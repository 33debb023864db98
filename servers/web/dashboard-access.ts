/** Decides who may see the control room and who may use its controls. */
import type { IncomingMessage } from 'node:http';
import { refuseControl, ResilienceError, sendError, type Middleware } from '../../src/index.js';

export interface DashboardTokens {
  /** Grants read access. */
  readonly dashboardToken: string | undefined;
  /** Grants read access and the controls. */
  readonly controlToken: string | undefined;
}

export interface DashboardAccess {
  readonly read: boolean;
  readonly control: boolean;
}

/** The access granted by the token in the request. For a session, `controlSession` has added the token. */
export function accessOf(req: IncomingMessage, { dashboardToken, controlToken }: DashboardTokens): DashboardAccess {
  const control = refuseControl(req, controlToken) === undefined;
  const read = control || (dashboardToken !== undefined && refuseControl(req, dashboardToken) === undefined);
  return { read, control };
}

/** Rejects requests without read access to the control room. */
export function requireDashboard(tokens: DashboardTokens): Middleware {
  return function dashboardAccess(req, res, next) {
    if (accessOf(req, tokens).read) return next();
    const hasToken = req.headers.authorization !== undefined;
    const refusal = hasToken
      ? new ResilienceError('CONTROL_FORBIDDEN', 'the token is neither the dashboard token nor the control token')
      : new ResilienceError('CONTROL_TOKEN_REQUIRED', 'send DASHBOARD_TOKEN or CONTROL_TOKEN as a Bearer token', {
          headers: { 'WWW-Authenticate': 'Bearer realm="dashboard"' },
        });
    sendError(req, res, refusal);
  };
}
