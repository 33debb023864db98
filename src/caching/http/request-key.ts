/**
 * What a response is stored under (RFC 9111 §2, §4): method, target, scheme and host, and whatever else an application
 * may take for the host. The order puts the target first, so that a pattern over paths has a prefix to search by.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TrustedHop } from '../../shared/client-address.js';
import { hiddenKey } from '../../shared/hidden-key.js';
import { originalTarget } from '../../shared/http.js';
import { splitList } from './fields.js';

/** Keeps the keys of responses apart from other keys of a cache that holds more than responses. */
const NAMESPACE = 'http:';

/** Opens what follows the origin in a key: no client can put it into a target or a host. */
const STAND_IN_MARK = '\n';

/**
 * Fields that frameworks and proxies read instead of the target, the host or the method. An untrusted client that sends one gets a key of its
 * own: what it makes the application say is never served to anyone else (web cache poisoning through unkeyed input).
 */
const STAND_INS = [
  'x-forwarded-host',
  'x-forwarded-proto',
  'forwarded',
  'x-forwarded-scheme',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-host',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
  'x-method-override',
  'x-http-method',
  'front-end-https',
] as const;

/** What a trusted proxy says of the request it received. The others of the list it is trusted to have removed or set. */
const SAID_BY_PROXIES = new Set<string>(['x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-forwarded-port']);

const LONGEST_STAND_INS = 256;

/** The parts of a key. `origin` is `scheme://host`, lowercase, without the scheme's own port. */
export interface Resource {
  readonly target: string;
  readonly origin: string;
  /** '' for nearly all requests; else what sets this client's copies apart. */
  readonly standIns: string;
}

/** Reads what a request is for. */
export function resourceOf(req: IncomingMessage, isTrusted: TrustedHop): Resource {
  const trusted = isTrusted(req.socket.remoteAddress ?? '', 0);
  const scheme =
    (trusted && forwardedProto(req)) || ((req.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http');
  const host = (trusted && forwardedHost(req)) || req.headers.host || '';
  const target = originalTarget(req);
  const standIns = standInsOf(req, trusted);
  if (target.startsWith('/') || target === '*') return { target, origin: originOf(scheme, host), standIns };
  // The absolute form names its own host, and the Host field is then to be ignored (RFC 9112 §3.2.2).
  const [whole = '', authority = host] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target) ?? [];
  const rest = target.slice(whole.length);
  return { target: rest.startsWith('/') ? rest : `/${rest}`, origin: originOf(scheme, authority), standIns };
}

/** The key of a resource for a method; HEAD is answered from what GET stored. */
export function keyOf(method: string, { target, origin, standIns }: Resource): string {
  const of = method === 'HEAD' ? 'GET' : method;
  return `${NAMESPACE}${of} ${target} ${origin}${standIns}`;
}

/** The resource an absolute URL or a path names; a path has no origin and so stands for every host. */
export function resourceOfUrl(url: string): { readonly target: string; readonly origin: string | undefined } {
  if (url.startsWith('/')) return { target: url, origin: undefined };
  const { protocol, host, pathname, search } = new URL(url);
  return { target: pathname + search, origin: originOf(protocol.slice(0, -1), host) };
}

/**
 * The patterns over keys that a pattern over URLs stands for: `/api/*` on any host, `https://host/api/*` on one. What untrusted clients made
 * for themselves is covered as well.
 */
export function keyPatterns(pattern: string, method = 'GET'): string[] {
  const [, scheme, host, path] = /^([a-z]+):\/\/([^/]*)(.*)$/i.exec(pattern) ?? [];
  if (scheme === undefined) return [`${NAMESPACE}${method} ${pattern} *`];
  const key = `${NAMESPACE}${method} ${path === '' ? '/' : path} ${originOf(scheme, host!)}`;
  return [key, `${key}${STAND_IN_MARK}*`];
}

/**
 * A key as people may be shown it: what a client chose beside the path, a query above all, only as a keyed hash that tells
 * one from another. A key of another kind is returned as it is.
 */
export function shownResponseKey(key: string): string {
  if (!key.startsWith(NAMESPACE)) return key;
  const [whole, standIns] = cutAt(key.slice(NAMESPACE.length), STAND_IN_MARK);
  const [method, resource] = cutAt(whole, ' ');
  const end = resource.lastIndexOf(' ');
  const [path, query] = cutAt(resource.slice(0, end), '?');
  const shownPath = /^[/*]/.test(path) ? path : `#${hiddenKey(path)}`; // an application's own key may hold anything
  const parts = [method, query === '' ? shownPath : `${shownPath}?#${hiddenKey(query)}`, resource.slice(end + 1)];
  return (standIns === '' ? parts : [...parts, `#${hiddenKey(standIns)}`]).join(' ');
}

/** What comes before the mark, and what after it. */
function cutAt(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

function standInsOf(req: IncomingMessage, trusted: boolean): string {
  const { headers } = req;
  let found = '';
  for (const name of STAND_INS) {
    const value = headers[name];
    if (value === undefined || (trusted && SAID_BY_PROXIES.has(name))) continue;
    // `Forwarded` also names the client, which would give every client copies of its own.
    const relevant = name === 'forwarded' ? String(value).replace(/\b(?:for|by)=[^;,]*;?/gi, '') : String(value);
    if (relevant.trim() !== '') found += `${STAND_IN_MARK}${name}:${relevant}`;
  }
  if (found.length <= LONGEST_STAND_INS) return found;
  return STAND_IN_MARK + createHash('sha256').update(found).digest('base64url');
}

function originOf(scheme: string, host: string): string {
  const lower = host.toLowerCase();
  const defaultPort = scheme === 'https' ? ':443' : ':80';
  const bare = lower.endsWith(defaultPort) ? lower.slice(0, -defaultPort.length) : lower;
  // Nothing that could pass for another part of the key.
  return `${scheme}://${/^[a-z0-9._:[\]-]*$/.test(bare) ? bare : encodeURIComponent(bare)}`;
}

/** The scheme the client used, as the nearest trusted proxy says; '' where it says none. */
function forwardedProto(req: IncomingMessage): string {
  const said = firstOf(req, 'x-forwarded-proto') || forwardedParameter(req, 'proto');
  return said === 'https' || said === 'http' ? said : '';
}

function forwardedHost(req: IncomingMessage): string {
  return firstOf(req, 'x-forwarded-host') || forwardedParameter(req, 'host');
}

function firstOf(req: IncomingMessage, name: string): string {
  const value = req.headers[name];
  return value === undefined ? '' : (splitList(String(value))[0] ?? '');
}

/** A parameter of the first element of `Forwarded` (RFC 7239 §4). */
function forwardedParameter(req: IncomingMessage, parameter: string): string {
  const pair = new RegExp(`(?:^|;)\\s*${parameter}=("?)([^";,]*)\\1`, 'i').exec(firstOf(req, 'forwarded'));
  return pair?.[2] ?? '';
}
