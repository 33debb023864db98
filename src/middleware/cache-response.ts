/** Keeps responses and answers from what it keeps, as a shared HTTP cache does (RFC 9111). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hitRate, newCounts, type CacheCounts } from '../caching/http/cache-counts.js';
import type { CacheSettings, TtlFunction } from '../caching/http/cache-settings.js';
import { cacheName } from '../caching/http/cache-status.js';
import { ResponseCache } from '../caching/http/response-cache.js';
import { LAYER_METHODS, memoryStore, STORE_METHODS, type ResponseStore } from '../caching/http/response-store.js';
import { MultiLayerCacheManager, type MemoryCacheLayer } from '../caching/index.js';
import { compileTrust, type TrustProxy } from '../shared/client-address.js';
import { wallClock, type Clock } from '../shared/clock.js';
import type { Closeable, Middleware } from '../shared/http.js';
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
  string,
} from '../shared/options.js';

/** What is stored, for how long, for whom, and how misses are collapsed. */
export interface CacheResponseOptions {
  /**
   * Where responses are kept: a `MultiLayerCacheManager`, or a `MemoryCacheLayer`. Default: memory, 10,000 responses and
   * 64 MiB.
   */
  readonly cache?: ResponseStore | MemoryCacheLayer;
  /** Milliseconds a response is fresh that states no freshness of its own. Default: such a response is not reused. */
  readonly ttl?: number | TtlFunction;
  /** What identifies a resource, in the place of the request target; method and host stay part of the key. */
  readonly key?: (req: IncomingMessage) => string;
  /** Request fields every response varies on, beside those its `Vary` names. */
  readonly vary?: readonly string[];
  /** Names under which `purgeTag` finds a response. */
  readonly tags?: readonly string[] | ((req: IncomingMessage, res: ServerResponse) => readonly string[]);
  /** Methods answered from the cache. Default GET and HEAD; any other needs `key`, which has to cover its content. */
  readonly methods?: readonly string[];
  /** Milliseconds a stale response is served while it is validated, where it does not say itself. Default 0. */
  readonly staleWhileRevalidate?: number;
  /** Milliseconds a stale response is served in place of an error, where it does not say itself. Default 0. */
  readonly staleIfError?: number;
  /** Milliseconds a request waits for another that fetches the same. Default 5000. */
  readonly lockTimeout?: number;
  /** Bytes of the largest body kept; a larger one streams through. Default 1 MiB. */
  readonly maxBodySize?: number;
  /** Whether clients share the cache: `private`, `s-maxage` and `Authorization` are judged by it. Default true. */
  readonly shared?: boolean;
  /** True for requests to be left alone: neither answered from the cache nor stored. */
  readonly bypass?: (req: IncomingMessage) => boolean;
  /** Whose `X-Forwarded-Proto` and `X-Forwarded-Host` tell scheme and host. Default: nobody's. */
  readonly trustProxy?: TrustProxy;
  /** What `PURGE` requests must present. Without it they are answered to this machine only. */
  readonly controlToken?: string;
  /** The cache's name in `Cache-Status`. Default `tooloo`. */
  readonly name?: string;
  /** Whether `Cache-Status` shows the key. Default false: it tells clients how to aim at other keys. */
  readonly exposeKey?: boolean;
  /** Epoch time, in milliseconds. */
  readonly clock?: Clock;
}

/** What the cache counted since it was made. */
export interface CacheResponseStats extends Readonly<CacheCounts> {
  /** Of the requests looked up, the fraction answered without the origin: 0 to 1. */
  readonly hitRate: number;
  /** Requests waiting for another's answer now. */
  readonly waiting: number;
  /** Resources being fetched now. */
  readonly inFlight: number;
  /** The store's own statistics. */
  readonly store: object;
}

export interface CacheResponse extends Middleware, Closeable {
  readonly cache: ResponseStore | MemoryCacheLayer;
  /** Removes all variants of an absolute URL, or of a path on every host; how many stored keys that were. */
  purge(url: string): Promise<number>;
  /** Invalidates what carries a tag; `soft` makes it stale instead. */
  purgeTag(tag: string, options?: { readonly soft?: boolean }): Promise<void>;
  /** Removes what matches a pattern over paths (`/api/*`) or absolute URLs; how many stored keys that were. */
  invalidatePattern(pattern: string): Promise<number>;
  stats(): CacheResponseStats;
  /** Gives up background work, and closes the cache where it is this middleware's own. Idempotent. */
  close(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_ENTRIES = 10_000;
const DEFAULT_BYTES = 64 * 2 ** 20;
const DEFAULT_BODY = 2 ** 20;
const DEFAULT_LOCK_TIMEOUT = 5_000;

/** Bytes of bodies being collected at one time; beyond it responses stream through without being kept. */
const MOST_COLLECTED = 64 * 2 ** 20;

const CHECKS = {
  cache: anyOf(having('a cache', ...STORE_METHODS), having('a memory layer', ...LAYER_METHODS)),
  ttl: anyOf(milliseconds, func),
  key: func,
  vary: arrayOf(string),
  tags: anyOf(func, arrayOf(string)),
  methods: arrayOf(string),
  staleWhileRevalidate: milliseconds,
  staleIfError: milliseconds,
  lockTimeout: milliseconds,
  maxBodySize: count(0),
  shared: boolean,
  bypass: func,
  trustProxy: anything,
  controlToken: string,
  name: string,
  exposeKey: boolean,
  clock,
};

function asStore(cache: ResponseStore | MemoryCacheLayer): ResponseStore {
  return 'claim' in cache ? cache : memoryStore(cache);
}

/** Memory only. Told the same time, so that what is fresh for the rules is fresh for the store. */
function ownCache(time: Clock | undefined): MultiLayerCacheManager {
  return new MultiLayerCacheManager({
    memory: { maxSize: DEFAULT_ENTRIES, maxBytes: DEFAULT_BYTES },
    ...(time !== undefined && { clock: time }),
  });
}

function resolve(options: CacheResponseOptions, cache: ResponseStore | MemoryCacheLayer): CacheSettings {
  const { ttl, tags = [], methods = ['GET', 'HEAD'], vary = [], key } = options;
  const foreign = methods.find((method) => method !== 'GET' && method !== 'HEAD');
  if (foreign !== undefined && key === undefined) {
    throw new TypeError(`cacheResponse: option 'methods': ${foreign} needs the option 'key' to cover its content`);
  }
  return {
    store: asStore(cache),
    clock: options.clock ?? wallClock,
    counts: newCounts(),
    budget: { maxBodySize: options.maxBodySize ?? DEFAULT_BODY, left: MOST_COLLECTED },
    shared: options.shared ?? true,
    ttl: typeof ttl === 'function' ? ttl : () => ttl,
    key,
    vary: vary.map((name) => name.toLowerCase()),
    tags: typeof tags === 'function' ? tags : () => tags,
    methods: new Set(methods),
    bypass: options.bypass ?? (() => false),
    staleWhileRevalidate: options.staleWhileRevalidate ?? 0,
    staleIfError: options.staleIfError ?? 0,
    lockTimeout: options.lockTimeout ?? DEFAULT_LOCK_TIMEOUT,
    isTrusted: compileTrust(options.trustProxy),
    controlToken: options.controlToken,
    name: cacheName(options.name ?? 'tooloo'),
    exposeKey: options.exposeKey ?? false,
  };
}

/**
 * Answers GET and HEAD from stored responses where RFC 9111 allows it, and stores what handlers, or `proxyBalanced`
 * behind it, answer. Mount it after `trace`, `healthEndpoints` and `rateLimit`.
 *
 * A response is reused by what it says itself: `Cache-Control`, `CDN-Cache-Control`, `Expires`, `Vary`, `ETag`. The
 * `Cache-Status` field (RFC 9211) of every response tells what happened.
 *
 * Concurrent misses of one resource become one request to the handler. A stale response is refreshed in the background by
 * running the request through the whole server again on a request and response in memory.
 *
 * ```ts
 * app.use(cacheResponse({ staleWhileRevalidate: 10_000 }));
 * app.get('/items', (req, res) => res.set('Cache-Control', 'max-age=60').json(items));
 * ```
 *
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function cacheResponse(options?: CacheResponseOptions): CacheResponse {
  const checked: CacheResponseOptions = checkOptions('cacheResponse', options, CHECKS);
  const cache = checked.cache ?? ownCache(checked.clock);
  const settings = resolve(checked, cache);
  const responses = new ResponseCache(settings);
  const { invalidator } = responses;

  const handler: Middleware = function cacheResponse(req, res, next) {
    responses.handle(req, res, next);
  };

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
  });
}
