/**
 * Keeps each session at its instance while that instance is healthy. It recognises a session by an opaque cookie, which
 * needs no memory here, or by a request header, for which it remembers the instance.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import NodeCache from 'node-cache';
import { boolean, checkOptions, oneOf, positive, string } from '../shared/options.js';
import type { Target } from './target.js';

/** How a session is recognised and how long it stays with its instance. */
export interface StickyOptions {
  /** Name of the cookie. Default 'tooloo_instance', unless `header` is given. */
  readonly cookie?: string;
  /** Lowercase name of the request header that names the session. */
  readonly header?: string;
  /**
   * The secret that keys the cookie. Use the same one at all gateways. Default: random, so a restart loses the
   * sessions.
   */
  readonly secret?: string;
  /** Milliseconds that a session without requests is remembered, and the `Max-Age` of the cookie. Default one hour. */
  readonly ttl?: number;
  /** Whether the cookie is sent over HTTPS only. Default: true if the request came over TLS. */
  readonly secure?: boolean;
  /** Default 'lax'. 'none' makes the cookie `secure`. */
  readonly sameSite?: 'strict' | 'lax' | 'none';
  /** Default '/'. */
  readonly path?: string;
}

export interface StickySessions {
  /**
   * The id of the instance to which the session of the request belongs.
   *
   * @param ids the current ids, which an opaque cookie is compared with
   */
  recall(req: IncomingMessage, ids: () => readonly string[]): string | undefined;
  /** The session now belongs to this instance. Called before the head is sent. */
  remember(req: IncomingMessage, res: ServerResponse, target: Target): void;
  close(): void;
}

const DEFAULT_COOKIE = 'tooloo_instance';
const HOUR = 3_600_000;
/** The most sessions remembered by header. Beyond it, new sessions are balanced like any request. */
const MAX_SESSIONS = 100_000;
/** The most instances whose tokens are kept. Beyond it, all tokens are computed again. */
const MAX_TOKENS = 20_000;

/** @throws TypeError or RangeError for an invalid option */
export function stickySessions(service: string, options?: StickyOptions): StickySessions {
  const checked = checkOptions('sticky', options, {
    cookie: { ...string, range: (name: string) => /^[\w!#$%&'*+.^`|~-]+$/.test(name), expected: 'a cookie name' },
    header: string,
    secret: string,
    ttl: positive,
    secure: boolean,
    sameSite: oneOf('strict', 'lax', 'none'),
    path: { ...string, range: (path: string) => /^\/[^;\s]*$/.test(path), expected: 'a path' },
  });
  const { header, ttl = HOUR } = checked;
  if (checked.sameSite === 'none' && checked.secure === false) {
    throw new RangeError("sticky: browsers take a cookie with sameSite: 'none' only with secure: true");
  }
  return header === undefined ? new CookieSessions(service, checked) : byHeader(header.toLowerCase(), ttl);
}

/** The cookie is a keyed hash of the instance id. It reveals nothing about the instance and cannot be forged. */
class CookieSessions implements StickySessions {
  readonly #service: string;
  readonly #name: string;
  readonly #secret: string;
  readonly #attributes: string;
  readonly #secure: boolean | undefined;
  readonly #tokens = new Map<string, string>();
  readonly #ids = new Map<string, string>();

  constructor(service: string, { cookie, secret, ttl = HOUR, secure, sameSite = 'lax', path = '/' }: StickyOptions) {
    this.#service = service;
    this.#name = cookie ?? DEFAULT_COOKIE;
    this.#secret = secret ?? randomBytes(32).toString('hex');
    const site = `${sameSite.charAt(0).toUpperCase()}${sameSite.slice(1)}`;
    this.#attributes = `Path=${path}; Max-Age=${Math.ceil(ttl / 1000)}; HttpOnly; SameSite=${site}`;
    this.#secure = sameSite === 'none' ? true : secure;
  }

  recall(req: IncomingMessage, ids: () => readonly string[]): string | undefined {
    const token = cookieOf(req, this.#name);
    if (token === undefined || token.length !== TOKEN_LENGTH) return undefined;
    const known = this.#ids.get(token);
    if (known !== undefined) return known;
    for (const id of ids()) this.#tokenOf(id);
    return this.#ids.get(token);
  }

  remember(req: IncomingMessage, res: ServerResponse, { id }: Target): void {
    const token = this.#tokenOf(id);
    if (cookieOf(req, this.#name) === token) return;
    const secure = this.#secure ?? (req.socket as Partial<TLSSocket>).encrypted === true;
    const cookie = `${this.#name}=${token}; ${this.#attributes}${secure ? '; Secure' : ''}`;
    const before = res.getHeader('Set-Cookie');
    res.setHeader('Set-Cookie', before === undefined ? cookie : [before, cookie].flat().map(String));
  }

  close(): void {
    this.#tokens.clear();
    this.#ids.clear();
  }

  #tokenOf(id: string): string {
    let token = this.#tokens.get(id);
    if (token !== undefined) return token;
    if (this.#tokens.size >= MAX_TOKENS) this.close();
    token = createHmac('sha256', this.#secret).update(`${this.#service}\n${id}`).digest('base64url');
    this.#tokens.set(id, token);
    this.#ids.set(token, id);
    return token;
  }
}

/** Characters of a SHA-256 in base64url. */
const TOKEN_LENGTH = 43;

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
  // Hashed, because the client chooses its length, and a key must not be a credential in plain text.
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
