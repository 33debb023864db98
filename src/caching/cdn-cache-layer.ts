/**
 * The caches in front of the service, as a layer that holds nothing here: what is invalidated in the layers above is
 * purged there, by URL or by surrogate key. For Varnish, and whatever takes a request per purge.
 */
import axios, { type AxiosInstance } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { monotonicClock, startTimer, type Clock } from '../shared/clock.js';
import { ResilienceError } from '../shared/errors.js';
import { arrayOf, checkOptions, clock as clockCheck, func, number, recordOf, string } from '../shared/options.js';
import type { CacheLayer, LayerStats, Lease, TagInvalidation } from './cache-layer.js';
import { GuardedLayer } from './guarded-layer.js';

/** What to purge. A soft purge leaves what has grace, stale. */
export type CdnPurge =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly soft: boolean };

/** A request that does it; the path is relative to each endpoint. */
export interface CdnRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How the CDN is told to forget. */
export interface CdnCacheLayerOptions {
  /** Base URLs of the caches; each is told. */
  readonly endpoints: readonly string[];
  /** Header fields of every request, e.g. an API token. They appear in no error and no log. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The requests that purge, in order. Default: `varnishPurge`. None for what the caches cannot purge. */
  readonly requestsFor?: (purge: CdnPurge) => readonly CdnRequest[];
  /** Milliseconds a purge may take. Default 2000. */
  readonly timeout?: number;
  /** Told of every failed purge; it is repeated until it succeeds. */
  readonly onError?: (error: unknown, layer: string) => void;
  /** Tells the time and waits. Default `monotonicClock`. */
  readonly clock?: Clock;
}

const NOTHING: readonly string[] = [];

/**
 * Keys are paths: `PURGE /path`. A pattern is `PURGE /` with `X-Ban-Url`, a regular expression; a tag is `PURGE /` with
 * `Xkey-Purge` (or `Xkey-Softpurge`), as the `xkey` module of Varnish takes it. docs/varnish.vcl is the other side.
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

/** As it stands in a request target: printable ASCII, what was escaped already left as it is. */
function asUrl(text: string): string {
  const wellFormed = Buffer.from(text).toString();
  return encodeURI(wellFormed).replace(/%25([0-9a-f]{2})/gi, '%$1');
}

/** One key of the field: spaces and commas part keys. */
function asXkey(tag: string): string {
  return asUrl(tag).replaceAll(',', '%2C');
}

/** The pattern as an anchored regular expression in printable ASCII: it travels in a header field. */
function expressionOf(pattern: string): string {
  const parts = pattern.split('*').map((part) => asUrl(part).replace(/[.?+^$|()[\]{}\\]/g, '\\$&'));
  return `^${parts.join('.*')}$`;
}

/** Never throws and never holds anybody up: a purge that fails is repeated in the background until it succeeds. */
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
  readonly #agents = { httpAgent: new HttpAgent({ keepAlive: true }), httpsAgent: new HttpsAgent({ keepAlive: true }) };
  readonly #client: AxiosInstance;

  constructor(options: CdnCacheLayerOptions) {
    this.#endpoints = options.endpoints;
    this.#requestsFor = options.requestsFor ?? varnishPurge;
    this.#headers = options.headers ?? {};
    this.#timeout = options.timeout ?? 2000;
    this.#clock = options.clock ?? monotonicClock;
    this.#client = axios.create({
      ...this.#agents,
      proxy: false,
      maxRedirects: 0,
      maxContentLength: 64 * 1024,
      validateStatus: () => true,
    });
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

  /** A new value makes the copies out there outdated. */
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
    this.#agents.httpAgent.destroy();
    this.#agents.httpsAgent.destroy();
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
      const config = { method, url, headers: { ...this.#headers, ...headers }, signal: late.signal };
      const { status } = await this.#client.request<unknown>(config);
      // 404: it was not there, which is all that was asked for.
      if (status >= 300 && status !== 404)
        throw new ResilienceError('UPSTREAM_INVALID', `${endpoint} answered a purge with ${status}`);
    } catch (error) {
      if (ResilienceError.is(error)) throw error;
      const reason = late.signal.aborted ? `did not answer within ${this.#timeout} ms` : 'could not be reached';
      throw new ResilienceError('UPSTREAM_REFUSED', `${endpoint} ${reason}`); // axios' own error would hold the headers
    } finally {
      timer.cancel();
    }
  }
}
