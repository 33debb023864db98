/**
 * Sessions that stay with their instance as long as it is well: by a signed cookie, which needs no memory here, or by a
 * header of the client's, for which the instance is remembered.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import NodeCache from 'node-cache';
import { sameSecret } from '../shared/control-access.js';
import { checkOptions, string, positive } from '../shared/options.js';
import type { Target } from './target.js';

/** How a session is recognised and how long it stays with its instance. */
export interface StickyOptions {
  /** Name of the cookie. Default 'tooloo_instance', unless `header` is given. */
  readonly cookie?: string;
  /** Lowercase name of the request header that names the session. */
  readonly header?: string;
  /** Signs the cookie; give all gateways the same. Default: random, so a restart forgets. */
  readonly secret?: string;
  /** Milliseconds a session without requests is remembered. Default one hour. */
  readonly ttl?: number;
}

export interface StickySessions {
  /** The id of the instance the request's session is with. */
  recall(req: IncomingMessage): string | undefined;
  /** The session is with this instance now. Called before the head is sent. */
  remember(req: IncomingMessage, res: ServerResponse, target: Target): void;
  close(): void;
}

const DEFAULT_COOKIE = 'tooloo_instance';
const HOUR = 3_600_000;
/** Sessions remembered by header; beyond, new ones are balanced like any request. */
const MAX_SESSIONS = 100_000;

/** @throws TypeError or RangeError for a wrong option */
export function stickySessions(service: string, options?: StickyOptions): StickySessions {
  const {
    cookie,
    header,
    secret,
    ttl = HOUR,
  } = checkOptions('sticky', options, {
    cookie: string,
    header: string,
    secret: string,
    ttl: positive,
  });
  if (header !== undefined) return byHeader(header.toLowerCase(), ttl);
  return byCookie(service, cookie ?? DEFAULT_COOKIE, secret ?? randomBytes(32).toString('hex'), ttl);
}

function byCookie(service: string, name: string, secret: string, ttl: number): StickySessions {
  const sign = (id: string): string => createHmac('sha256', secret).update(`${service}\n${id}`).digest('base64url');
  const attributes = `Path=/; Max-Age=${Math.ceil(ttl / 1000)}; HttpOnly; SameSite=Lax`;
  const recall = (req: IncomingMessage): string | undefined => {
    const [id, signature] = (cookieOf(req, name) ?? '').split('.').map(decode);
    if (id === undefined || signature === undefined) return undefined;
    return sameSecret(signature, sign(id)) ? id : undefined;
  };
  return {
    recall,
    remember(req, res, { id }) {
      if (recall(req) === id) return;
      const value = `${encode(id)}.${encode(sign(id))}`;
      res.appendHeader('Set-Cookie', `${name}=${value}; ${attributes}`);
    },
    close: () => undefined,
  };
}

const encode = (text: string): string => Buffer.from(text).toString('base64url');
const decode = (text: string): string => Buffer.from(text, 'base64url').toString();

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals !== -1 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

function byHeader(header: string, ttl: number): StickySessions {
  const sessions = new NodeCache({ stdTTL: ttl / 1000, useClones: false, maxKeys: MAX_SESSIONS });
  const secret = randomBytes(32);
  // Hashed: the client chooses its length, and a key must not be a credential in the clear.
  const sessionOf = (req: IncomingMessage): string | undefined => {
    const value = req.headers[header];
    if (value === undefined || value === '') return undefined;
    return createHmac('sha256', secret).update(String(value)).digest('base64url');
  };
  return {
    recall(req) {
      const session = sessionOf(req);
      return session === undefined ? undefined : sessions.get<string>(session);
    },
    remember(req, _res, { id }) {
      const session = sessionOf(req);
      if (session === undefined) return;
      if (sessions.has(session) || sessions.getStats().keys < MAX_SESSIONS) sessions.set(session, id);
    },
    close: () => sessions.close(),
  };
}
