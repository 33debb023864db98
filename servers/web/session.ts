/**
 * The session of the control room. The link printed at startup contains a token. The server exchanges the
 * token for a cookie that scripts cannot read and other sites cannot send. It then redirects to the address without the
 * token.
 */
import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { nameRoute, sameSecret, type Middleware } from '../../src/index.js';
import { PAGES_ROUTE } from '../support/pulse.js';
import { pathOf } from '../support/request-path.js';

/** Lifetime of a session in milliseconds. */
const LIFETIME = 12 * 3_600_000;

function signed(controlToken: string, what: string): string {
  return createHmac('sha256', controlToken).update(what).digest('base64url');
}

/** The token in the link. It opens a session but cannot be used as the control token. */
export function linkToken(controlToken: string): string {
  return signed(controlToken, 'control room link');
}

/** The URL of the control room that opens a session. */
export function controlRoomLink(url: string, controlToken: string): string {
  return `${url}/?token=${linkToken(controlToken)}`;
}

/** All ports of a host share cookies, so each fleet has its own cookie name. */
function cookieName(req: IncomingMessage): string {
  return `tooloo_session_${req.socket.localPort}`;
}

function hasSession(req: IncomingMessage, controlToken: string, now: number): boolean {
  const name = cookieName(req);
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const [key = '', value = ''] = pair.trim().split('=', 2);
    const [expires = '', signature = ''] = value.split('.', 2);
    if (key === name && Number(expires) > now && sameSecret(signature, signed(controlToken, `session ${expires}`)))
      return true;
  }
  return false;
}

/** SameSite treats another port of this host as the same site. Therefore the origin of the request is checked too. */
function isOfThisOrigin(req: IncomingMessage): boolean {
  const { origin, host, 'sec-fetch-site': site } = req.headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  if (origin !== undefined) return origin === `http://${host}` || origin === `https://${host}`;
  return req.method === 'GET' || req.method === 'HEAD' || site === 'same-origin';
}

/** The token in the query of the link; undefined for other requests. */
function tokenOf(req: IncomingMessage): string | undefined {
  const path = pathOf(req);
  if (req.method !== 'GET' || path !== '/') return undefined;
  return new URLSearchParams(req.url!.slice(path.length)).get('token') ?? undefined;
}

/** Exchanges the token of the link for a session, and adds the control token to the requests of a session. */
export function controlSession(controlToken: string, now: () => number): Middleware {
  const link = linkToken(controlToken);
  return (req, res, next) => {
    const given = tokenOf(req);
    if (given !== undefined) {
      nameRoute(PAGES_ROUTE);
      const isRight = sameSecret(given, link) || sameSecret(given, controlToken);
      if (isRight) {
        const expires = now() + LIFETIME;
        const session = `${cookieName(req)}=${expires}.${signed(controlToken, `session ${expires}`)}`;
        const secure = 'encrypted' in req.socket && req.socket.encrypted === true ? '; Secure' : '';
        res.appendHeader(
          'Set-Cookie',
          `${session}; Max-Age=${LIFETIME / 1000}; Path=/; HttpOnly; SameSite=Strict${secure}`,
        );
      }
      // Redirects for an invalid token too: it may be outdated, and the page then asks for another one.
      res.writeHead(303, { 'Cache-Control': 'no-store', Location: '/' }).end();
      return;
    }
    const { authorization, 'x-control-token': presented } = req.headers;
    if (
      authorization === undefined &&
      presented === undefined &&
      hasSession(req, controlToken, now()) &&
      isOfThisOrigin(req)
    )
      req.headers['x-control-token'] = controlToken;
    next();
  };
}
