/** Options of the `cacheResponse` middleware, as a user writes them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ClientDirectives, TtlFunction } from '../caching/http/cache-settings.js';
import type { CookieRule } from '../caching/http/identity.js';
import type { ResponseStore } from '../caching/http/response-store.js';
import type { MemoryCacheLayer } from '../caching/memory-cache-layer.js';
import type { TrustProxy } from '../shared/client-address.js';
import type { Clock } from '../shared/clock.js';
import type { ControlMode } from '../shared/control-access.js';

/** The options for storing and sharing responses, their lifetimes, and collapsing misses. */
export interface CacheResponseOptions<
  Req extends IncomingMessage = IncomingMessage,
  Res extends ServerResponse = ServerResponse,
> {
  /**
   * The store of the responses: a `MultiLayerCacheManager` or a `MemoryCacheLayer`. Default: memory, 10,000 responses
   * and 64 MiB.
   */
  readonly cache?: ResponseStore | MemoryCacheLayer;
  /**
   * Milliseconds that a response without a freshness of its own stays fresh. Default: such a response is not reused.
   * Does not apply to a request with credentials, unless its response is `public`: see `cookies`.
   */
  readonly ttl?: number | TtlFunction<Req, Res>;
  /** Returns the identity of a resource instead of the request target; method and host stay part of the key. */
  readonly key?: (req: Req) => string;
  /** Request fields every response varies on, beside those its `Vary` names. */
  readonly vary?: readonly string[];
  /** Names under which `purgeTag` finds a response. */
  readonly tags?: readonly string[] | ((req: Req, res: Res) => readonly string[]);
  /** Methods answered from the cache. Default GET and HEAD; any other needs `key`, which has to cover its content. */
  readonly methods?: readonly string[];
  /**
   * Whether a response with `Last-Modified` but without an explicit freshness is fresh for a tenth of its age, at most
   * a day (RFC 9111 §4.2.2). Default false: only responses that request caching are cached.
   */
  readonly heuristicFreshness?: boolean;
  /**
   * How users are distinguished, so that they do not share copies. By default the response to a request with `Cookie` or
   * `Authorization` is shared only if it allows that: by `public`, `s-maxage`, or a `Vary` on that field.
   *
   * - `'ignore'`: cookies do not separate users.
   * - Names: the cookies that separate users; each combination of values has its own copies.
   * - A function returns the identity of a request, or undefined for the copies for everyone. It then decides for
   *   `Authorization` as well.
   */
  readonly cookies?: CookieRule<Req>;
  /**
   * The directives of a client's `Cache-Control` that are obeyed. Default `honour`. Simultaneous demands become one
   * request to the handler.
   *
   * - `honour`: all of RFC 9111 §5.2.1.
   * - `ignore`: none.
   * - `validators-only`: a client can make the cache validate a response that has a validator.
   */
  readonly clientDirectives?: ClientDirectives;
  /**
   * Milliseconds that a stale response is served while it is validated, unless the response states its own duration.
   * Does not apply to a response with a lifetime of 0. Default 0.
   */
  readonly staleWhileRevalidate?: number;
  /**
   * Milliseconds that a stale response is served instead of an error, unless the response states its own duration. Does
   * not apply to a response with a lifetime of 0. Default 0.
   */
  readonly staleIfError?: number;
  /**
   * Milliseconds a request waits at most for another that fetches the same. Default 5000. It waits less for the head: three
   * times what the resource usually takes, and 500 ms for a resource that was never stored.
   */
  readonly lockTimeout?: number;
  /** Bytes of the largest body that is stored; a larger one streams through. Default 1 MiB. */
  readonly maxBodySize?: number;
  /** Whether clients share the cache: `private`, `s-maxage` and `Authorization` are judged by it. Default true. */
  readonly shared?: boolean;
  /** True for requests to be left alone: neither answered from the cache nor stored. */
  readonly bypass?: (req: Req) => boolean;
  /** The peers whose `X-Forwarded-Proto` and `X-Forwarded-Host` give scheme and host. Default: none. */
  readonly trustProxy?: TrustProxy;
  /** Whether `PURGE` requests are answered. Default: only with `controlToken` or `control`; else the method is the application's. */
  readonly purge?: boolean;
  /** The token that `PURGE` requests must present. With `purge` alone they are refused. */
  readonly controlToken?: string;
  /** `'loopback'`: programs on this machine may `PURGE` without a token. Not behind a proxy on this machine. */
  readonly control?: ControlMode;
  /** The cache's name in `Cache-Status`. Default `tooloo`. */
  readonly name?: string;
  /** Whether `Cache-Status` shows the key. Default false, because it helps clients to construct other keys. */
  readonly exposeKey?: boolean;
  /** Epoch time, in milliseconds. */
  readonly clock?: Clock;
}
