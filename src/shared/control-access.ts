/**
 * Who may use a control route (scale, purge, invalidate, policy): whoever holds the control token, or, where none is
 * configured, a program on this machine that speaks to the server directly.
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

/** Whether the request comes from a program on this machine, with no proxy and no foreign web page in between. */
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
 * Checks a request for a control route. The token travels as `Authorization: Bearer …` or `X-Control-Token`.
 *
 * @param token the configured token; undefined admits direct local requests only
 * @returns undefined when admitted, else the error to answer with: CONTROL_TOKEN_REQUIRED (401) or CONTROL_FORBIDDEN (403)
 */
export function refuseControl(req: IncomingMessage, token: string | undefined): ResilienceError | undefined {
  const given = presentedToken(req);
  if (token !== undefined && given !== undefined) {
    if (sameSecret(given, token)) return undefined;
    return new ResilienceError('CONTROL_FORBIDDEN', 'the control token is wrong');
  }
  if (isDirectLocalRequest(req)) return undefined;
  if (token === undefined) {
    return new ResilienceError(
      'CONTROL_FORBIDDEN',
      'control routes answer only on this machine until CONTROL_TOKEN is set',
    );
  }
  return new ResilienceError('CONTROL_TOKEN_REQUIRED', 'send the control token as "Authorization: Bearer <token>"', {
    headers: { 'WWW-Authenticate': 'Bearer realm="control"' },
  });
}

/** Middleware that lets through only who may use control routes. */
export function requireControl(token: string | undefined): Middleware {
  return function controlAccess(req, res, next) {
    const refusal = refuseControl(req, token);
    if (refusal === undefined) next();
    else sendError(req, res, refusal);
  };
}

function presentedToken(req: IncomingMessage): string | undefined {
  const header = req.headers['x-control-token'];
  if (typeof header === 'string') return header;
  return /^Bearer +(\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
}

/** Compares without telling by its duration how much matched; hashing first makes the lengths equal. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
