/** Where a request is addressed to, in the form an upstream is asked in (RFC 9112 §3.2). */
import type { IncomingMessage } from 'node:http';
import { ResilienceError } from '../../shared/errors.js';

export interface RequestTarget {
  /** Path and query. */
  readonly path: string;
  /** The host an absolute target names; it replaces the Host field (§3.2.2). */
  readonly host: string | undefined;
}

/** With an authority that is a host alone: user information is refused (RFC 9110 §4.2.4). */
const ABSOLUTE = /^https?:\/\/([^/?@]+)([/?].*)?$/i;

/**
 * The path and query of a request as this middleware sees it: without the path it is mounted at.
 *
 * @throws ResilienceError BAD_REQUEST for a target that names no path (`*`, an authority) or has a fragment, which readers
 *   disagree about, or a request of HTTP/0.9
 */
export function requestTarget(req: IncomingMessage): RequestTarget {
  if (req.httpVersionMajor < 1) throw new ResilienceError('BAD_REQUEST', 'HTTP/0.9 is not forwarded');
  const url = req.url ?? '/';
  if (url.includes('#')) throw new ResilienceError('BAD_REQUEST', 'a request target has no fragment');
  if (url.startsWith('/')) return { path: url, host: undefined };
  const absolute = ABSOLUTE.exec(url);
  if (absolute === null) throw new ResilienceError('BAD_REQUEST', 'the request target cannot be forwarded');
  const [, host, rest = ''] = absolute;
  return { path: rest.startsWith('/') ? rest : `/${rest}`, host };
}
