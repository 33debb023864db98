/**
 * The key of a stored response (RFC 9111 §2, §4): method, target, scheme and host, and the fields that an application
 * may read instead of the host. The target comes first, so that a pattern over paths has a prefix to search with.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TrustedHop } from '../../shared/client-address.js';
import { hiddenKey } from '../../shared/hidden-key.js';
import { alignHost } from '../../shared/request-target.js';
import { effectiveHost } from './stand-ins.js';

/** Keeps the keys of responses apart from other keys of a cache that holds more than responses. */
const NAMESPACE = 'http:';

/** Begins the part after the origin in a key. A client cannot put it into a target or a host. */
const FACET_MARK = '\n';

/** The parts of a key. `origin` is `scheme://host`, lowercase, without the scheme's own port. */
export interface Resource {
  readonly target: string;
  readonly origin: string;
  /**
   * '' for nearly all requests. Otherwise a digest of what the handler reads besides target and host, so that this
   * request has its own copies: stand-in fields, a rewritten target, the user from the option `cookies`.
   */
  readonly facet: string;
}

/** A class, because it lives as long as its request: see `Exchange`. */
class RequestResource implements Resource {
  readonly target: string;
  readonly origin: string;
  readonly facet: string;

  constructor(target: string, origin: string, facet: string) {
    this.target = target;
    this.origin = origin;
    this.facet = facet;
  }
}

/**
 * Reads the resource of a request, as the following handlers see it at this moment. Sets its Host field to the
 * effective host (RFC 9112 §3.2.2).
 *
 * @returns undefined if target or host are invalid, because a cache cannot answer such a request
 */
export function resourceOf(req: IncomingMessage, isTrusted: TrustedHop): Resource | undefined {
  const target = alignHost(req);
  if (typeof target === 'string' || target.form === 'authority') return undefined;
  const encrypted = (req.socket as { encrypted?: boolean }).encrypted === true;
  const own = { scheme: target.scheme ?? (encrypted ? 'https' : 'http'), host: target.host };
  const { scheme, host, unkeyed } = effectiveHost(req, own, isTrusted(req.socket.remoteAddress ?? '', 0));
  const apart = unkeyed + rewrittenTarget(req);
  const path = target.form === 'asterisk' ? '*' : target.path;
  return new RequestResource(path, originOf(scheme, host), apart === '' ? '' : digest(apart));
}

/** The same resource under the application's own key. */
export function withTarget({ origin, facet }: Resource, target: string): Resource {
  return { target, origin, facet };
}

/** The same resource for requests that are separated by a further property. */
export function withFacet(resource: Resource, apart: string): Resource {
  const { target, origin, facet } = resource;
  return apart === '' ? resource : { target, origin, facet: digest(`${facet}\n${apart}`) };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');

/**
 * The target that the next handler sees, if other code rewrote `req.url` and it differs from the client's target.
 * Express moves the mount path from `req.url` to `baseUrl`.
 */
function rewrittenTarget(req: IncomingMessage): string {
  const { url = '', baseUrl, originalUrl } = req as IncomingMessage & { baseUrl?: unknown; originalUrl?: unknown };
  if (typeof originalUrl !== 'string' || originalUrl === url) return '';
  const base = typeof baseUrl === 'string' ? baseUrl : '';
  if (originalUrl === base + url) return '';
  // Express adds the slash if nothing remains after the mount path.
  if (url.startsWith('/') && originalUrl === base + url.slice(1)) return '';
  return `url ${base} ${url}\n`;
}

/** The key of a resource for a method. HEAD uses the responses stored for GET. */
export function keyOf(method: string, { target, origin }: Pick<Resource, 'target' | 'origin'>): string {
  const of = method === 'HEAD' ? 'GET' : method;
  return `${NAMESPACE}${of} ${target} ${origin}`;
}

/** The key of the generation of the copies with a facet. Removing it removes all of them. */
export function facetIndexKey(key: string): string {
  return `${key}${FACET_MARK}facets`;
}

/** The key of the copies with a facet. */
export function facetKey(key: string, generation: string, facet: string): string {
  return `${key}${FACET_MARK}${generation} ${facet}`;
}

/** The resource that an absolute URL or a path names. A path has no origin, so it stands for every host. */
export function resourceOfUrl(url: string): { readonly target: string; readonly origin: string | undefined } {
  if (url.startsWith('/')) return { target: url, origin: undefined };
  const { protocol, host, pathname, search } = new URL(url);
  return { target: pathname + search, origin: originOf(protocol.slice(0, -1), host) };
}

/**
 * The key patterns for a pattern over URLs: `/api/*` on any host, `https://host/api/*` on one. They also cover copies
 * that were made for untrusted clients.
 */
export function keyPatterns(pattern: string, method = 'GET'): string[] {
  const [, scheme, host, path] = /^([a-z]+):\/\/([^/]*)(.*)$/i.exec(pattern) ?? [];
  if (scheme === undefined) return [`${NAMESPACE}${method} ${pattern} *`];
  const key = `${NAMESPACE}${method} ${path === '' ? '/' : path} ${originOf(scheme, host!)}`;
  return [key, `${key}${FACET_MARK}*`];
}

/**
 * A key in a form that may be shown to people. The parts besides the path that a client chose, above all a query, are
 * replaced by a keyed hash. Different values have different hashes. A key of another kind is returned unchanged.
 */
export function shownResponseKey(key: string): string {
  if (!key.startsWith(NAMESPACE)) return key;
  const [whole, standIns] = cutAt(key.slice(NAMESPACE.length), FACET_MARK);
  const [method, resource] = cutAt(whole, ' ');
  const end = resource.lastIndexOf(' ');
  const [path, query] = cutAt(resource.slice(0, end), '?');
  const shownPath = /^[/*]/.test(path) ? path : `#${hiddenKey(path)}`; // the application's own key may contain anything
  const parts = [method, query === '' ? shownPath : `${shownPath}?#${hiddenKey(query)}`, resource.slice(end + 1)];
  return (standIns === '' ? parts : [...parts, `#${hiddenKey(standIns)}`]).join(' ');
}

/** The text before the mark, and the text after it. */
function cutAt(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

function originOf(scheme: string, host: string): string {
  const lower = host.toLowerCase();
  const defaultPort = scheme === 'https' ? ':443' : ':80';
  const bare = lower.endsWith(defaultPort) ? lower.slice(0, -defaultPort.length) : lower;
  // No character that could be mistaken for another part of the key.
  return `${scheme}://${/^[a-z0-9._:[\]-]*$/.test(bare) ? bare : encodeURIComponent(bare)}`;
}
