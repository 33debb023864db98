/** Stores responses and reuses them for later requests, as a shared HTTP cache does (RFC 9111). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hitRate, newCounts, type CacheCounts } from '../caching/http/cache-counts.js';
import type { CacheSettings, ClientDirectives } from '../caching/http/cache-settings.js';
import { cacheName } from '../caching/http/cache-status.js';
import { identityRule } from '../caching/http/identity.js';
import { PASSED } from '../caching/http/nested-caches.js';
import { ResponseCache } from '../caching/http/response-cache.js';
import { LAYER_METHODS, memoryStore, STORE_METHODS, type ResponseStore } from '../caching/http/response-store.js';
import { MultiLayerCacheManager, type MemoryCacheLayer } from '../caching/index.js';
import { compileTrust } from '../shared/client-address.js';
import { wallClock, type Clock } from '../shared/clock.js';
import { messageOf } from '../shared/errors.js';
import { prepareForExpress } from '../shared/express-shapes.js';
import type { Closeable, Middleware, NextFunction } from '../shared/http.js';
import { INSPECT, type Inspection } from '../shared/inspection.js';
import {
  anyOf,
  anything,
  arrayOf,
  boolean,
  checkOptions,
  clock,
  count,
  func,
  having,
  milliseconds,
  oneOf,
  string,
} from '../shared/options.js';
import { isPlainData, NEEDS_NO_CONTEXT } from '../shared/request-context.js';
import { inTurn } from '../shared/request-turn.js';
import type { CacheResponseOptions } from './cache-response-options.js';
import { named } from './named.js';

export type { CacheResponseOptions } from './cache-response-options.js';

/** The counters of the cache since its creation. */
export interface CacheResponseStats extends Readonly<CacheCounts> {
  /** The fraction of the requests looked up that were answered without the origin: 0 to 1. */
  readonly hitRate: number;
  /** Requests that currently wait for the response to another request. */
  readonly waiting: number;
  /** Resources that are currently being fetched. */
  readonly inFlight: number;
  /** The store's own statistics. */
  readonly store: object;
}

/**
 * The middleware that `cacheResponse` returns.
 *
 * @example
 * import { cacheResponse } from '@tooloo/resilience';
 *
 * const responses = cacheResponse();
 * app.use(responses);
 * await responses.purge('/prices');
 */
export interface CacheResponse<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> extends Closeable {
  (req: Req, res: Res, next: NextFunction): void;
  readonly cache: ResponseStore | MemoryCacheLayer;
  /** Removes all variants of an absolute URL, or of a path on every host. Returns the number of removed keys. */
  purge(url: string): Promise<number>;
  /** Invalidates the responses with a tag; `soft` makes them stale instead. */
  purgeTag(tag: string, options?: { readonly soft?: boolean }): Promise<void>;
  /** Removes what matches a pattern over paths (`/api/*`) or absolute URLs. Returns the number of removed keys. */
  invalidatePattern(pattern: string): Promise<number>;
  stats(): CacheResponseStats;
  /** Aborts background work, and closes the cache if this middleware created it. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_ENTRIES = 10_000;
const DEFAULT_BYTES = 64 * 2 ** 20;
const DEFAULT_BODY = 2 ** 20;
const DEFAULT_LOCK_TIMEOUT = 5_000;

/**
 * The most bytes of bodies that are collected at the same time. Beyond it, responses stream through without being
 * stored.
 */
const MOST_COLLECTED = 64 * 2 ** 20;

const DIRECTIVES: readonly ClientDirectives[] = ['honour', 'ignore', 'validators-only'];

const CHECKS = {
  cache: anyOf(having('a cache', ...STORE_METHODS), having('a memory layer', ...LAYER_METHODS)),
  ttl: anyOf(milliseconds, func),
  key: func,
  vary: arrayOf(string),
  tags: anyOf(func, arrayOf(string)),
  methods: arrayOf(string),
  heuristicFreshness: boolean,
  cookies: anyOf(oneOf('ignore'), arrayOf(string), func),
  clientDirectives: oneOf(...DIRECTIVES),
  staleWhileRevalidate: milliseconds,
  staleIfError: milliseconds,
  lockTimeout: milliseconds,
  maxBodySize: count(0),
  shared: boolean,
  bypass: func,
  trustProxy: anything,
  purge: boolean,
  controlToken: string,
  control: oneOf('loopback'),
  name: string,
  exposeKey: boolean,
  clock,
};

function asStore(cache: ResponseStore | MemoryCacheLayer): ResponseStore {
  return 'claim' in cache ? cache : memoryStore(cache);
}

/** Memory only. It uses the same clock, so that the store and the caching rules agree on freshness. */
function ownCache(time: Clock | undefined): MultiLayerCacheManager {
  return new MultiLayerCacheManager({
    memory: { maxSize: DEFAULT_ENTRIES, maxBytes: DEFAULT_BYTES },
    ...(time !== undefined && { clock: time }),
  });
}

/**
 * Calls the callbacks of the options. If one throws, the response is not stored and the error is reported once, but the
 * client still gets its response.
 */
function guard(counts: CacheCounts): CacheSettings['guarded'] {
  const reported = new Set<string>();
  return (option, callback, otherwise) => {
    try {
      return callback();
    } catch (error) {
      counts.failures++;
      if (!reported.has(option)) {
        reported.add(option);
        const message = `cacheResponse: option '${option}' failed, so the request is not cached: ${messageOf(error)}`;
        process.emitWarning(message, { code: 'TOOLOO_CACHE_OPTION_FAILED' });
      }
      return otherwise;
    }
  };
}

function resolve(options: CacheResponseOptions, cache: ResponseStore | MemoryCacheLayer): CacheSettings {
  const { ttl, tags = [], methods = ['GET', 'HEAD'], vary = [], key } = options;
  const foreign = methods.find((method) => method !== 'GET' && method !== 'HEAD');
  if (foreign !== undefined && key === undefined) {
    throw new TypeError(`cacheResponse: option 'methods': ${foreign} needs the option 'key' to cover its content`);
  }
  const counts = newCounts();
  const shared = options.shared ?? true;
  return {
    store: asStore(cache),
    clock: options.clock ?? wallClock,
    counts,
    guarded: guard(counts),
    budget: { maxBodySize: options.maxBodySize ?? DEFAULT_BODY, left: MOST_COLLECTED },
    shared,
    heuristic: options.heuristicFreshness ?? false,
    identity: identityRule(options.cookies, shared),
    clientDirectives: options.clientDirectives ?? 'honour',
    ttl,
    key,
    vary: vary.map((name) => name.toLowerCase()),
    tags: typeof tags === 'function' ? tags : () => tags,
    methods: new Set(methods),
    bypass: options.bypass,
    staleWhileRevalidate: options.staleWhileRevalidate ?? 0,
    staleIfError: options.staleIfError ?? 0,
    lockTimeout: options.lockTimeout ?? DEFAULT_LOCK_TIMEOUT,
    isTrusted: compileTrust(options.trustProxy),
    purge: options.purge ?? (options.controlToken !== undefined || options.control !== undefined),
    controlToken: options.controlToken,
    control: options.control,
    name: cacheName(options.name ?? 'tooloo'),
    exposeKey: options.exposeKey ?? false,
  };
}

/**
 * Answers GET and HEAD from stored responses where RFC 9111 allows it, and stores the responses of handlers or of
 * `proxyBalanced` behind it. Mount it after `trace`, `healthEndpoints` and `rateLimit`.
 *
 * A response is reused according to its own fields: `Cache-Control`, `CDN-Cache-Control`, `Expires`, `Vary`, `ETag`.
 * The `Cache-Status` field (RFC 9211) of every response shows how the cache handled it.
 *
 * Concurrent misses of one resource become one request to the handler. A stale response is refreshed in the background
 * by running the request through the whole server again on a request and response in memory.
 *
 * @throws TypeError or RangeError for an unknown option or a value out of range
 *
 * @example
 * import { cacheResponse } from '@tooloo/resilience';
 *
 * app.use(cacheResponse());
 * app.get('/prices', (_req, res) => void res.set('Cache-Control', 'max-age=60').json({ tea: 2 }));
 */
export function cacheResponse<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
>(options?: CacheResponseOptions<Req, Res>): CacheResponse<Req, Res>;
export function cacheResponse(options?: CacheResponseOptions): CacheResponse {
  prepareForExpress({ ofRequest: PASSED, methods: true });
  const checked: CacheResponseOptions = checkOptions('cacheResponse', options, CHECKS);
  const cache = checked.cache ?? ownCache(checked.clock);
  const settings = resolve(checked, cache);
  const responses = new ResponseCache(settings);
  const { invalidator } = responses;

  const handle: Middleware = (req, res, next) => responses.handle(req, res, next);
  const handler = named<Middleware>('cacheResponse', (req, res, next) => inTurn(req, res, next, handle));

  function close(): void {
    responses.close();
    if (checked.cache === undefined) (cache as MultiLayerCacheManager).destroy();
  }

  return Object.assign(handler, {
    cache,
    purge: (url: string) => invalidator.purge(url),
    purgeTag: (tag: string, { soft = false } = {}) => invalidator.purgeTag(tag, { soft }),
    invalidatePattern: (pattern: string) => invalidator.invalidatePattern(pattern),
    stats: () => ({
      ...settings.counts,
      hitRate: hitRate(settings.counts),
      ...responses.load,
      store: settings.store.getStats(),
    }),
    close,
    [Symbol.asyncDispose]: () => Promise.resolve(close()),
    [INSPECT]: (): Inspection => ({
      kind: 'cacheResponse',
      ignoresCookies: checked.cookies === 'ignore',
      isShared: settings.shared,
    }),
    [NEEDS_NO_CONTEXT]: isPlainData(options),
  });
}
