/** Why a request goes to the origin, and whether other requests may wait for its response. */
import { isConditional } from './conditional.js';
import type { ForwardReason } from './cache-status.js';
import type { Exchange } from './exchange.js';
import type { Reuse } from './reuse.js';
import type { Found, Lookup } from './variants.js';

/** Whether a request demands a response that is newer than the stored one. */
export function isReload(x: Exchange, reuse: Reuse | undefined): boolean {
  return reuse === 'request' || x.directives.noCache !== undefined || x.directives.maxAge === 0;
}

/**
 * The client's own condition may lead to a 304, which other requests cannot use.
 *
 * @param asksForWhole whether the handler does not get that condition
 */
export function mayLead({ served }: Exchange, found: Found | undefined, asksForWhole: boolean): boolean {
  return found !== undefined || asksForWhole || !isConditional(served);
}

/** Why the request goes to the origin, in the terms of RFC 9211 §2.2. */
export function reasonOf({ found, index }: Lookup, reuse: Reuse | undefined): ForwardReason {
  if (reuse === 'request') return 'request';
  if (found !== undefined) return reuse === 'stale' || reuse === 'stale-while-revalidate' ? 'stale' : 'partial';
  return index === undefined ? 'uri-miss' : 'vary-miss';
}
