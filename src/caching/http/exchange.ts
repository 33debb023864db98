/** The request as the cache sees it: its resource and key, its credentials, its directives and conditions. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction } from '../../shared/http.js';
import { NO_DIRECTIVES, requestDirectives, type CacheControl } from './cache-control.js';
import type { CacheSettings } from './cache-settings.js';
import { joinValue, type Fields } from './fields.js';
import { byCredentials, type Identity } from './identity.js';
import { keyOf, resourceOf, withFacet, withTarget, type Resource } from './request-key.js';
import type { ServedRequest } from './send-stored.js';
import type { Credentials } from './storable.js';

/**
 * One request of a cacheable method, and its demands. It is a class, because V8 may allocate the objects of a literal
 * in the old generation, where they keep all their references alive.
 */
export class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly next: NextFunction;
  readonly resource: Resource;
  /** Whether its stored responses cannot be identified, because a callback of the options failed. */
  readonly isUnkeyed: boolean;
  /** The key of the resource, the same for all clients: the name that an invalidation uses. */
  readonly baseKey: string;
  /** The key of the copies for this request; '' until the store has returned their generation. */
  key: string;
  /** The credentials of the request that the options consider. */
  readonly credentials: Credentials;
  /** The request's fields as the client sent them. */
  readonly fields: Fields;
  readonly directives: CacheControl;
  #served: ServedRequest | undefined;

  constructor(settings: CacheSettings, req: IncomingMessage, res: ServerResponse, next: NextFunction, whole: Resource) {
    const { headers, method = 'GET' } = req;
    const own = settings.key === undefined ? whole : withOwnKey(settings, req, whole);
    const { credentials, apart } = identityOf(settings, req);
    this.req = req;
    this.res = res;
    this.next = next;
    this.resource = withFacet(own ?? whole, apart);
    this.isUnkeyed = own === undefined;
    this.baseKey = keyOf(method, this.resource);
    this.key = this.resource.facet === '' ? this.baseKey : '';
    this.credentials = credentials;
    this.fields = headers as Fields;
    this.directives = directivesOf(settings, headers as Fields);
  }

  get isHead(): boolean {
    return this.req.method === 'HEAD';
  }

  /** Created when first needed, because a request that passes the cache needs none. */
  get served(): ServedRequest {
    return (this.#served ??= new Demands(this.isHead, this.req.headers));
  }
}

/** The conditions of a request for a stored response. */
class Demands implements ServedRequest {
  readonly isHead: boolean;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;

  constructor(isHead: boolean, headers: IncomingHttpHeaders) {
    this.isHead = isHead;
    this.ifNoneMatch = headers['if-none-match'];
    this.ifModifiedSince = headers['if-modified-since'];
    this.range = headers.range;
    this.ifRange = joinValue(headers['if-range']);
  }
}

/** @returns undefined for a request without a valid target or host */
export function exchangeOf(
  settings: CacheSettings,
  req: IncomingMessage,
  res: ServerResponse,
  next: NextFunction,
): Exchange | undefined {
  const whole = resourceOf(req, settings.isTrusted);
  return whole === undefined ? undefined : new Exchange(settings, req, res, next, whole);
}

function withOwnKey(settings: CacheSettings, req: IncomingMessage, whole: Resource): Resource | undefined {
  const target = targetOf(settings, req);
  return target === undefined ? undefined : withTarget(whole, target);
}

/** If the option `cookies` fails, every cookie counts as a credential. */
function identityOf({ identity, guarded }: CacheSettings, req: IncomingMessage): Identity {
  if (identity === byCredentials) return byCredentials(req);
  return guarded('cookies', () => identity(req), byCredentials(req));
}

/**
 * The application's own key, or undefined if it returns none. A promise is not a key, and would be the same key for
 * all.
 */
export function targetOf({ key, guarded }: CacheSettings, req: IncomingMessage): string | undefined {
  return guarded(
    'key',
    () => {
      const target: unknown = key!(req);
      if (typeof target === 'string') return target;
      if (target instanceof Promise) target.catch(() => undefined);
      throw new TypeError(`expected a string, got ${target instanceof Promise ? 'a promise' : typeof target}`);
    },
    undefined,
  );
}

function directivesOf({ clientDirectives }: CacheSettings, fields: Fields): CacheControl {
  if (clientDirectives === 'ignore') return NO_DIRECTIVES;
  if (fields['cache-control'] === undefined && fields.pragma === undefined) return NO_DIRECTIVES;
  const said = requestDirectives(fields);
  if (clientDirectives === 'honour') return said;
  const { noCache, maxAge, minFresh } = said;
  return {
    ...(noCache !== undefined && { noCache }),
    ...(maxAge !== undefined && { maxAge }),
    ...(minFresh !== undefined && { minFresh }),
  };
}

/** The meaning of content in a GET is up to its handler, so no key covers it (RFC 9110 §9.3.1). */
export function hasContent({ headers, method }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
