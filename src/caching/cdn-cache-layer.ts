/**
 * A layer for the caches in front of the service. It stores nothing itself. It purges the keys there that are
 * invalidated in the layers above, by URL or by surrogate key. For Varnish and other caches that accept one request per
 * purge.
 */
import { Agent as HttpAgent } from 'node:http';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { readBody, sendRequest } from '../shared/http-request.js';
import { nodeModule } from '../shared/node-modules.js';
import { arrayOf, checkOptions, clock as clockCheck, func, number, recordOf, string } from '../shared/options.js';
import type { CacheLayer, LayerStats, Lease, TagInvalidation } from './cache-layer.js';
import { GuardedLayer } from './guarded-layer.js';

/** The subject of a purge. A soft purge keeps entries with grace as stale. */
export type CdnPurge =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly soft: boolean };

/** The request for a purge; the path is relative to each endpoint. */
export interface CdnRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How the CDN is purged. */
export interface CdnCacheLayerOptions {
  /** Base URLs of the caches; each one receives every purge. */
  readonly endpoints: readonly string[];
  /** Header fields of every request, e.g. an API token. They appear in no error and no log. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * The requests that purge, in order. Default: `varnishPurge`. An empty list for a purge that the caches do not
   * support.
   */
  readonly requestsFor?: (purge: CdnPurge) => readonly CdnRequest[];
  /** Milliseconds a purge may take. Default 2000. */
  readonly timeout?: number;
  /** Called with every failed purge; the purge is repeated until it succeeds. */
  readonly onError?: (error: unknown, layer: string) => void;
  /** The clock for times and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

const NOTHING: readonly string[] = [];

/** The most bytes of the answer to a purge. */
const MAX_ANSWER = 64 * 1024;

/**
 * Keys are paths: `PURGE /path`. A pattern is `PURGE /` with `X-Ban-Url`, a regular expression. A tag is `PURGE /` with
 * `Xkey-Purge` (or `Xkey-Softpurge`), for the `xkey` module of Varnish. docs/varnish.vcl contains the matching
 * configuration.
 *
 * @example
 * import { CdnCacheLayer, varnishPurge } from '@tooloo/resilience';
 *
 * const cdn = new CdnCacheLayer({ endpoints: ['http://varnish:6081'], requestsFor: varnishPurge });
 */
export function varnishPurge(purge: CdnPurge): CdnRequest[] {
  switch (purge.kind) {
    case 'key':
      return purge.key.startsWith('/') ? [{ method: 'PURGE', path: asUrl(purge.key) }] : [];
    case 'pattern':
      return [{ method: 'PURGE', path: '/', headers: { 'X-Ban-Url': expressionOf(purge.pattern) } }];
    case 'tag':
      return [
        { method: 'PURGE', path: '/', headers: { [purge.soft ? 'Xkey-Softpurge' : 'Xkey-Purge']: asXkey(purge.tag) } },
      ];
  }
}

/** The text as part of a request target: printable ASCII; escaped characters stay unchanged. */
function asUrl(text: string): string {
  const wellFormed = Buffer.from(text).toString();
  return encodeURI(wellFormed).replace(/%25([0-9a-f]{2})/gi, '%$1');
}

/** One key of the field, in which spaces and commas separate keys. */
function asXkey(tag: string): string {
  return asUrl(tag).replaceAll(',', '%2C');
}

/** The pattern as an anchored regular expression in printable ASCII, because it is sent in a header field. */
function expressionOf(pattern: string): string {
  const parts = pattern.split('*').map((part) => asUrl(part).replace(/[.?+^$|()[\]{}\\]/g, '\\$&'));
  return `^${parts.join('.*')}$`;
}

/**
 * Never throws and never makes a caller wait: a failed purge is repeated in the background until it succeeds.
 *
 * @example
 * import { CdnCacheLayer, MultiLayerCacheManager } from '@tooloo/resilience';
 *
 * const cdn = new CdnCacheLayer({ endpoints: ['http://varnish:6081'] });
 * const cache = new MultiLayerCacheManager({ cdn });
 */
export class CdnCacheLayer extends GuardedLayer {
  /** @throws TypeError or RangeError for an unknown option or a value out of range */
  constructor(options: CdnCacheLayerOptions) {
    const checked = checkOptions('CdnCacheLayer', options, {
      endpoints: arrayOf(string),
      headers: recordOf(string),
      requestsFor: func,
      timeout: number({ min: 1 }),
      onError: func,
      clock: clockCheck,
    });
    if (checked.endpoints === undefined) throw new TypeError("CdnCacheLayer: option 'endpoints' is missing");
    const endpoints = checked.endpoints.map((endpoint) => new URL(endpoint).href.replace(/\/$/, ''));
    super(new PurgingLayer({ ...checked, endpoints }), { clock: checked.clock, onError: checked.onError });
  }
}

class PurgingLayer implements CacheLayer {
  readonly name = 'cdn';
  readonly isShared = false;
  readonly defaultTTL = 0;
  readonly #endpoints: readonly string[];
  readonly #requestsFor: (purge: CdnPurge) => readonly CdnRequest[];
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #agents = {
    http: new HttpAgent({ keepAlive: true }),
    https: new (nodeModule('node:https').Agent)({ keepAlive: true }),
  };

  constructor(options: CdnCacheLayerOptions) {
    this.#endpoints = options.endpoints;
    this.#requestsFor = options.requestsFor ?? varnishPurge;
    this.#headers = options.headers ?? {};
    this.#timeout = options.timeout ?? 2000;
    this.#clock = options.clock ?? monotonicClock;
  }

  get(): undefined {
    return undefined;
  }

  has(): boolean {
    return false;
  }

  read(): undefined {
    return undefined;
  }

  /** A new value makes the copies in the CDN outdated. */
  async set(key: string): Promise<void> {
    await this.#purge({ kind: 'key', key });
  }

  async write(key: string): Promise<boolean> {
    await this.#purge({ kind: 'key', key });
    return false;
  }

  async delete(key: string): Promise<boolean> {
    await this.#purge({ kind: 'key', key });
    return false;
  }

  async clear(): Promise<void> {
    await this.#purge({ kind: 'pattern', pattern: '*' });
  }

  async invalidatePattern(pattern: string): Promise<readonly string[]> {
    await this.#purge({ kind: 'pattern', pattern });
    return NOTHING;
  }

  async invalidateTag(tag: string, { soft = false }: TagInvalidation = {}): Promise<void> {
    await this.#purge({ kind: 'tag', tag, soft });
  }

  lease(): 'unavailable' {
    return 'unavailable';
  }

  release(_lease: Lease): void {
    // None was given.
  }

  getStats(): LayerStats {
    return { hits: 0, misses: 0, evictions: 0, expirations: 0, size: -1, hitRate: 0 };
  }

  destroy(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #purge(purge: CdnPurge): Promise<void> {
    const requests = this.#requestsFor(purge);
    await Promise.all(this.#endpoints.flatMap((endpoint) => requests.map((one) => this.#request(endpoint, one))));
  }

  async #request(endpoint: string, { method, path, headers }: CdnRequest): Promise<void> {
    const late = new AbortController();
    const timer = startTimer(this.#clock, () => late.abort(), this.#timeout);
    try {
      const url = endpoint + path;
      const agent = url.startsWith('https:') ? this.#agents.https : this.#agents.http;
      const fields = { ...this.#headers, ...headers };
      const response = await sendRequest(url, { method, headers: fields, agent, signal: late.signal });
      const { statusCode: status = 0 } = response;
      await readBody(response, MAX_ANSWER); // so that the connection can be used again
      // 404: the entry was not cached, so the purge has succeeded.
      if (status >= 300 && status !== 404)
        throw new ResilienceError('UPSTREAM_INVALID', `${endpoint} answered a purge with ${status}`);
    } catch (error) {
      if (ResilienceError.is(error)) throw error;
      const reason = late.signal.aborted ? `did not answer within ${this.#timeout} ms` : 'could not be reached';
      // The cause is left out, since it may hold the header fields.
      throw new ResilienceError('UPSTREAM_REFUSED', `${endpoint} ${reason}`);
    } finally {
      timer.cancel();
    }
  }
}
