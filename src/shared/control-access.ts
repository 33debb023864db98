/**
 * Access to control routes (scale, purge, invalidate, policy): only requests with the control token are admitted.
 * Missing proxy headers prove nothing: a reverse proxy that adds none makes every client look like a local program. An
 * application without such a proxy may open its control routes to this machine, by `'loopback'`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from './client-address.js';
import { ResilienceError } from './errors.js';
import type { Middleware } from './http.js';
import { sendError } from './problem.js';

/** A proxy in front makes every client look local; a browser page of another site is local but not the user's will. */
const SIGNS_OF_ANOTHER = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via', 'origin'] as const;

/** A name that another site can point at this machine (DNS rebinding) is not one of these. */
const LOCAL_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * `'loopback'`: programs on this machine need no token. Behind a reverse proxy on this machine, every client counts as
 * one.
 */
export type ControlMode = 'loopback';

/**
 * Whether the request looks like one from a program on this machine, with no proxy and no foreign web page in between. A
 * proxy that sends none of its usual headers and a local `Host`, such as nginx with nothing but `proxy_pass`, looks the same.
 */
export function isDirectLocalRequest(req: IncomingMessage): boolean {
  if (!isLoopback(req.socket.remoteAddress)) return false;
  if (!LOCAL_HOST.test(req.headers.host ?? '')) return false;
  const site = req.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  return SIGNS_OF_ANOTHER.every((name) => req.headers[name] === undefined || (name === 'origin' && isSameOrigin(req)));
}

function isSameOrigin(req: IncomingMessage): boolean {
  const { origin, host } = req.headers;
  return origin === `http://${host}` || origin === `https://${host}`;
}

/**
 * Checks a request for a control route. The token is sent as `Authorization: Bearer …` or `X-Control-Token`.
 *
 * @param token The configured token, required from every client. Without one, control routes are closed.
 * @param control With `'loopback'`, direct local requests need no token; see `ControlMode` for the risk.
 * @returns The error for a rejected request: CONTROL_TOKEN_REQUIRED (401) or CONTROL_FORBIDDEN (403); else undefined.
 *
 * @example
 * import { refuseControl, sendError } from '@tooloo/resilience';
 *
 * app.post('/admin/reset', (req, res) => {
 *   const refusal = refuseControl(req, process.env.CONTROL_TOKEN);
 *   if (refusal === undefined) res.sendStatus(204);
 *   else sendError(req, res, refusal);
 * });
 */
export function refuseControl(
  req: IncomingMessage,
  token: string | undefined,
  control?: ControlMode,
): ResilienceError | undefined {
  const given = presentedToken(req);
  if (token !== undefined && given !== undefined) {
    if (sameSecret(given, token)) return undefined;
    return new ResilienceError('CONTROL_FORBIDDEN', 'the control token is wrong');
  }
  if (control === 'loopback' && isDirectLocalRequest(req)) return undefined;
  if (token === undefined) {
    return new ResilienceError('CONTROL_FORBIDDEN', 'control routes are closed: configure a control token');
  }
  return new ResilienceError('CONTROL_TOKEN_REQUIRED', 'send the control token as "Authorization: Bearer <token>"', {
    headers: { 'WWW-Authenticate': 'Bearer realm="control"' },
  });
}

/**
 * Middleware that lets through only requests that may use control routes.
 *
 * @param token as of `refuseControl`
 * @param control as of `refuseControl`
 *
 * @example
 * import { requireControl } from '@tooloo/resilience';
 *
 * app.use('/admin', requireControl(process.env.CONTROL_TOKEN));
 */
export function requireControl(token: string | undefined, control?: ControlMode): Middleware {
  return function controlAccess(req, res, next) {
    const refusal = refuseControl(req, token, control);
    if (refusal === undefined) next();
    else sendError(req, res, refusal);
  };
}

function presentedToken(req: IncomingMessage): string | undefined {
  const header = req.headers['x-control-token'];
  if (typeof header === 'string') return header;
  return /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
}

/**
 * Compares in a time that does not reveal how much matched; hashing first makes the lengths equal.
 *
 * @example
 * import { sameSecret } from '@tooloo/resilience';
 *
 * const isRight = sameSecret('what the client sent', process.env.WEBHOOK_SECRET ?? '');
 */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
