/**
 * The effective host and path of a request, read in one place. Routing, cache keys, limits, traces and the handler can
 * therefore never disagree (RFC 9112 §3.2, RFC 9113 §8.3.1).
 */
import type { IncomingMessage } from 'node:http';
import { originalTarget } from './http.js';

/** The form of a request target (RFC 9112 §3.2). */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

export interface RequestTarget {
  readonly form: TargetForm;
  /** `host[:port]` as the client wrote it: the target's authority if it has one, else `Host`. Empty without both. */
  readonly host: string;
  /** Scheme of the absolute form; undefined for the other forms, for which the connection decides. */
  readonly scheme: 'http' | 'https' | undefined;
  /** Path and query, beginning with `/`. Empty for the authority and the asterisk form. */
  readonly path: string;
}

/** Why a request has no valid target: each deserves a 400 (RFC 9112 §3.2). */
export type TargetFault =
  'no Host field' | 'several Host fields' | 'an invalid Host field' | 'an invalid target' | 'conflicting hosts';

/** The properties of a request that its target is read from. */
export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders' | 'httpVersion'>;

/** RFC 3986 §3.2.2 `host` and an optional port: a registered name, IPv4 or a bracketed address. No user information. */
const AUTHORITY = /^(?:\[[0-9a-f:.]+(?:%25[\w.~-]+)?\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)(?::\d{0,5})?$/i;

const ABSOLUTE = /^(https?):\/\/([^/?#]*)([^#]*)$/i;

/** The path of a target has no space, control character or fragment, but Node's parser lets some of them pass. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const INVALID_IN_PATH = /[\u0000-\u0020\u007f#]/;

/** A target and all that it was read from. */
class ReadTarget {
  readonly target: RequestTarget | TargetFault;
  readonly #rawHeaders: readonly string[];
  readonly #hosts: number;
  readonly #url: string;
  readonly #method: string | undefined;
  readonly #host: string | undefined;
  readonly #authority: unknown;

  constructor({ rawHeaders, headers, method }: RequestHead, url: string, target: RequestTarget | TargetFault) {
    this.target = target;
    this.#rawHeaders = rawHeaders;
    this.#hosts = countHosts(rawHeaders);
    this.#url = url;
    this.#method = method;
    this.#host = headers.host;
    this.#authority = headers[':authority'];
  }

  /** Each message has a list of fields of its own. Middleware may have changed its members, and every other property. */
  isOf({ rawHeaders, headers, method }: RequestHead, url: string): boolean {
    return (
      this.#rawHeaders === rawHeaders &&
      this.#url === url &&
      this.#method === method &&
      this.#host === headers.host &&
      this.#authority === headers[':authority'] &&
      this.#hosts === countHosts(rawHeaders)
    );
  }
}

/** The target that was read last. Cache and proxy read that of the same request, one after the other. */
let latest: ReadTarget | undefined;

/** Reads the target of a request, or returns its fault. Does not change the request: see `alignHost`. */
export function readTarget(req: RequestHead): RequestTarget | TargetFault {
  const url = originalTarget(req);
  if (latest?.isOf(req, url) === true) return latest.target;
  const target = parseTarget(req, url);
  // A simulated request may have no raw fields.
  if ((req.rawHeaders as unknown) !== undefined) latest = new ReadTarget(req, url, target);
  return target;
}

function parseTarget(req: RequestHead, target: string): RequestTarget | TargetFault {
  // Node answers such a request itself, unless it is an upgrade request.
  if (req.headers.host === undefined && req.httpVersion === '1.1') return 'no Host field';
  const host = readHost(req);
  if (host === undefined) return countHosts(req.rawHeaders) > 1 ? 'several Host fields' : 'an invalid Host field';
  if (target.charCodeAt(0) === 0x2f /* / */) {
    if (INVALID_IN_PATH.test(target)) return 'an invalid target';
    return withAuthority(req, { form: 'origin', host, scheme: undefined, path: target });
  }
  if (target === '*') return withAuthority(req, { form: 'asterisk', host, scheme: undefined, path: '' });
  if (req.method === 'CONNECT') {
    return AUTHORITY.test(target) && target !== ''
      ? { form: 'authority', host: target, scheme: undefined, path: '' }
      : 'an invalid target';
  }
  return absoluteTarget(target);
}

/** A request target that is a whole URL: its authority replaces the Host field (RFC 9112 §3.2.2). */
function absoluteTarget(target: string): RequestTarget | TargetFault {
  const [, scheme, authority, rest] = ABSOLUTE.exec(target) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined) return 'an invalid target';
  if (authority === '' || !AUTHORITY.test(authority) || INVALID_IN_PATH.test(rest)) return 'an invalid target';
  return {
    form: 'absolute',
    host: authority,
    scheme: scheme.toLowerCase() as 'http' | 'https',
    path: rest.startsWith('/') ? rest : `/${rest}`,
  };
}

/** HTTP/2 names the host in `:authority`. An additional Host field must be equal (RFC 9113 §8.3.1). */
function withAuthority(req: RequestHead, target: RequestTarget): RequestTarget | TargetFault {
  const authority = req.headers[':authority'];
  if (typeof authority !== 'string') return target;
  if (!AUTHORITY.test(authority)) return 'an invalid target';
  if (target.host !== '' && target.host.toLowerCase() !== authority.toLowerCase()) return 'conflicting hosts';
  return { ...target, host: authority };
}

/** The one Host field; empty if the field is absent, undefined if there are several or the value is invalid. */
function readHost(req: RequestHead): string | undefined {
  const { host = '' } = req.headers;
  // Node keeps the first of several Host fields. Only the raw list shows that there were more.
  if (countHosts(req.rawHeaders) > 1) return undefined;
  return AUTHORITY.test(host) ? host : undefined;
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count;
}

/**
 * Reads the target and makes `req.headers.host` the effective host, as RFC 9112 §3.2.2 requires of a server. All code
 * that reads the Host field later, including the application, sees the host that was routed, keyed and counted.
 */
export function alignHost(req: IncomingMessage): RequestTarget | TargetFault {
  const target = readTarget(req);
  if (typeof target !== 'string' && target.host !== '' && req.headers.host !== target.host) {
    req.headers.host = target.host;
  }
  return target;
}
