/** Changes to response fields that the application requests: hooks, `Location` and the scope of cookies. */
import type { IncomingMessage } from 'node:http';
import type { Target } from '../target.js';
import { checkHead, type ResponseHead } from './answer-head.js';
import type { ResponseFields } from './headers.js';

/** Fields of a response that a hook may read and change: lowercase names, repeated fields as arrays. */
export type MutableFields = Record<string, string | string[] | undefined>;

/** Sees, and may change, the fields of each answer: what it returns, or what it leaves in `headers`. */
export type ResponseFieldsHook<Req extends IncomingMessage = IncomingMessage> = (
  headers: MutableFields,
  req: Req,
  status: number,
) => MutableFields | void;

/** New scopes of cookies by the old scope; `'*'` for any other. An empty text removes the attribute. */
export interface CookieRewrites {
  readonly domain?: string | Readonly<Record<string, string>>;
  readonly path?: string | Readonly<Record<string, string>>;
}

export interface RewriteOptions {
  readonly onResponseHeaders: ResponseFieldsHook | undefined;
  readonly rewriteLocation: boolean | ((location: string, req: IncomingMessage) => string);
  readonly rewriteCookies: CookieRewrites | undefined;
}

/** Framing fields, which the hook must not change. */
const FRAMING = ['content-length', 'transfer-encoding', 'connection', 'trailer', 'keep-alive'];

/** The head with the changes of the options; the same object if they change nothing. */
export function rewriteHead(
  head: ResponseHead,
  req: IncomingMessage,
  target: Target,
  options: RewriteOptions,
): ResponseHead {
  const { onResponseHeaders, rewriteLocation, rewriteCookies } = options;
  if (onResponseHeaders === undefined && rewriteLocation === false && rewriteCookies === undefined) return head;
  let headers: MutableFields = { ...head.headers };
  if (rewriteLocation !== false) rewriteLocations(headers, req, target, rewriteLocation);
  if (rewriteCookies !== undefined) rewriteSetCookie(headers, rewriteCookies);
  if (onResponseHeaders !== undefined) {
    headers = normalized(onResponseHeaders(headers, req, head.status) ?? headers, head.headers);
  }
  return checkHead(head.status, head.statusText, headers);
}

function normalized(changed: MutableFields, before: ResponseFields): MutableFields {
  const headers: MutableFields = {};
  for (const [name, value] of Object.entries(changed)) {
    if (value !== undefined) headers[name.toLowerCase()] = Array.isArray(value) ? value.map(String) : String(value);
  }
  for (const name of FRAMING) headers[name] = before[name];
  return headers;
}

function rewriteLocations(
  headers: MutableFields,
  req: IncomingMessage,
  target: Target,
  rewrite: true | ((location: string, req: IncomingMessage) => string),
): void {
  for (const name of ['location', 'content-location']) {
    const location = headers[name];
    if (typeof location !== 'string') continue;
    headers[name] = rewrite === true ? ownLocation(location, req, target) : rewrite(location, req);
  }
}

/**
 * A location at the instance becomes a location here, below the path at which this proxy is mounted (RFC 9110 §10.2.2).
 */
function ownLocation(location: string, req: IncomingMessage, { protocol, authority, basePath }: Target): string {
  const origin = `${protocol}://${authority}`;
  const isAtInstance = location === origin || location.startsWith(`${origin}/`) || location.startsWith(`${origin}?`);
  if (!isAtInstance && (!location.startsWith('/') || location.startsWith('//'))) return location;
  const path = isAtInstance ? location.slice(origin.length) || '/' : location;
  const { baseUrl } = req as { baseUrl?: unknown };
  const mounted = typeof baseUrl === 'string' ? baseUrl : '';
  const isBelowBase = basePath !== '' && (path === basePath || path.startsWith(`${basePath}/`));
  return mounted + (isBelowBase ? path.slice(basePath.length) || '/' : path);
}

function rewriteSetCookie(headers: MutableFields, { domain, path }: CookieRewrites): void {
  const cookies = headers['set-cookie'];
  if (cookies === undefined) return;
  headers['set-cookie'] = [cookies].flat().map((cookie) => {
    const withDomain = domain === undefined ? cookie : rewriteAttribute(cookie, 'Domain', domain);
    return path === undefined ? withDomain : rewriteAttribute(withDomain, 'Path', path);
  });
}

function rewriteAttribute(cookie: string, name: string, rules: string | Readonly<Record<string, string>>): string {
  return cookie.replace(new RegExp(`;\\s*${name}=([^;]*)`, 'i'), (whole, value: string) => {
    const known = typeof rules === 'string' ? rules : (rules[value.trim()] ?? rules['*']);
    if (known === undefined) return whole;
    return known === '' ? '' : `; ${name}=${known}`;
  });
}
