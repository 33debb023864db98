/** The cache between requests and handlers: looks up, collapses, forwards, refreshes (RFC 9111 §4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuseControl } from '../../shared/control-access.js';
import { ResilienceError } from '../../shared/errors.js';
import type { NextFunction } from '../../shared/http.js';
import { nameRoute, startSpan, type Attributes } from '../../shared/instrumentation.js';
import { sendError } from '../../shared/problem.js';
import { BackgroundRefresh } from './background-refresh.js';
import { beforeHead } from './before-head.js';
import { NO_DIRECTIVES, requestDirectives } from './cache-control.js';
import type { CacheSettings, Exchange } from './cache-settings.js';
import { appendCacheStatus, cacheStatus, type ForwardReason } from './cache-status.js';
import { joinValue, type Fields } from './fields.js';
import { Forwarding } from './forwarding.js';
import { HitForMiss } from './hit-for-miss.js';
import { isSafeMethod } from './invalidation.js';
import { Invalidator } from './invalidator.js';
import { keyOf, resourceOf } from './request-key.js';
import { ResponseSaver, type Load } from './response-saver.js';
import { ageOf, judgeReuse, type Reuse } from './reuse.js';
import { sendStored, ttlSeconds } from './send-stored.js';
import { SingleFlight } from './single-flight.js';
import type { StoredResponse } from './stored-response.js';
import { peekStored, readStored, type Found, type Lookup } from './variants.js';

/** A request waits for others at most this often: for the resource, then for its variant. */
const MOST_WAITS = 2;

const HIT: Attributes = { 'cache.hit': true };

export class ResponseCache {
  readonly invalidator: Invalidator;
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #flights = new SingleFlight();
  readonly #hitForMiss = new HitForMiss();
  readonly #refreshes: BackgroundRefresh;

  constructor(settings: CacheSettings) {
    this.#settings = settings;
    this.#saver = new ResponseSaver(settings.store);
    this.invalidator = new Invalidator(settings, this.#saver, this.#hitForMiss);
    this.#refreshes = new BackgroundRefresh(settings, this.#saver, this.#flights);
  }

  /** Requests that wait for others, and resources being fetched. */
  get load(): { waiting: number; inFlight: number } {
    return { waiting: this.#flights.waiting, inFlight: this.#flights.size };
  }

  /** Serves a request from the cache or passes it on. */
  handle(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    const method = req.method ?? 'GET';
    if (!this.#settings.methods.has(method)) return this.#handleOther(method, req, res, next);
    const job = this.#refreshes.claimed(req);
    if (job === undefined && (hasBody(req, method) || this.#settings.bypass(req))) {
      return this.#passBy('bypass', res, next);
    }
    const x = this.#exchange(req, res, next, method);
    if (job !== undefined) return this.#forward(x, job.load, 'stale', false, job.settle);
    if (x.directives.noStore) return this.#passBy('request', res, next);
    if (this.#serveFromMemory(x)) return;
    this.#serveOrForward(x).catch((error: unknown) => {
      this.#settings.counts.failures++;
      if (res.headersSent || res.destroyed) res.destroy();
      else this.#forwardPlainly(x, error);
    });
  }

  close(): void {
    this.#refreshes.close();
    this.#hitForMiss.clear();
  }

  #handleOther(method: string, req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    if (method === 'PURGE') return this.#purge(req, res);
    if (!isSafeMethod(method)) this.invalidator.watch(req, res);
    next();
  }

  #purge(req: IncomingMessage, res: ServerResponse): void {
    const refusal = refuseControl(req, this.#settings.controlToken);
    if (refusal !== undefined) return sendError(req, res, refusal);
    this.invalidator.purgeRequested(req).then(
      (purged) => {
        const body = JSON.stringify({ ok: true, purged });
        res.setHeader('Content-Type', 'application/json');
        res.setHeader('Cache-Control', 'no-store');
        res.end(body);
      },
      (error: unknown) => sendError(req, res, error),
    );
  }

  #exchange(req: IncomingMessage, res: ServerResponse, next: NextFunction, method: string): Exchange {
    const { headers } = req;
    const { isTrusted, key } = this.#settings;
    const whole = resourceOf(req, isTrusted);
    const resource = key === undefined ? whole : { ...whole, target: key(req) };
    const says = headers['cache-control'] !== undefined || headers.pragma !== undefined;
    return {
      req,
      res,
      next,
      resource,
      key: keyOf(method, resource),
      fields: headers as Fields,
      directives: says ? requestDirectives(headers as Fields) : NO_DIRECTIVES,
      served: {
        isHead: method === 'HEAD',
        ifNoneMatch: headers['if-none-match'],
        ifModifiedSince: headers['if-modified-since'],
        range: headers.range,
        ifRange: joinValue(headers['if-range']),
      },
    };
  }

  /** The path of most requests: plain code, no promise. */
  #serveFromMemory(x: Exchange): boolean {
    const { store, clock } = this.#settings;
    const stored = peekStored(store, x.key, x.fields);
    if (stored === undefined) return false;
    const now = clock.now();
    if (judgeReuse(stored, x.directives, now) !== 'fresh' || !this.#send(x, stored, now)) return false;
    startSpan('cache.lookup', HIT)?.end();
    return true;
  }

  #send(x: Exchange, stored: StoredResponse, now: number, waited = false): boolean {
    const { counts, name, exposeKey } = this.#settings;
    const key = exposeKey ? x.key : undefined;
    const member = waited
      ? cacheStatus(name, { hit: false, fwd: 'miss', collapsed: true, key })
      : cacheStatus(name, { hit: true, ttl: ttlSeconds(stored, ageOf(stored, now)), key });
    if (stored.route !== undefined) nameRoute(stored.route);
    if (!sendStored(x.res, stored, x.served, member, now)) return false;
    if (waited) counts.collapsed++;
    else if (stored.lifetime > ageOf(stored, now)) counts.hits++;
    else counts.staleHits++;
    return true;
  }

  async #serveOrForward(x: Exchange): Promise<void> {
    const { clock, lockTimeout } = this.#settings;
    for (let waits = 0; ; waits++) {
      const lookup = await this.#lookUp(x);
      const reuse = lookup.found === undefined ? undefined : this.#judge(x, lookup.found);
      if (this.#serveFound(x, lookup, reuse, waits > 0)) return;
      if (x.directives.onlyIfCached) return this.#refuse(x);
      const untouched = lookup.found === undefined && this.#hitForMiss.has(lookup.lockKey, clock.now());
      const mayShare = !untouched && waits < MOST_WAITS && mayCollapse(x, lookup.found, reuse);
      if (!mayShare) return this.#forwardAlone(x, lookup, reuse, untouched);
      if (this.#flights.lead(lookup.lockKey)) return this.#lead(x, lookup, reuse);
      const outcome = await this.#flights.wait(lookup.lockKey, x.res, lockTimeout, clock);
      if (outcome === 'gone') return;
      if (outcome === 'lead') return this.#lead(x, lookup, reuse);
      if (outcome === 'pass') return this.#forwardAlone(x, lookup, reuse, false);
    }
  }

  async #lookUp(x: Exchange): Promise<Lookup> {
    const span = startSpan('cache.lookup');
    try {
      const lookup = await readStored(this.#settings.store, x.key, x.fields);
      span?.setAttribute('cache.hit', lookup.found !== undefined && this.#judge(x, lookup.found) === 'fresh');
      return lookup;
    } finally {
      span?.end();
    }
  }

  #judge(x: Exchange, { stored, ttl }: Found): Reuse {
    const now = this.#settings.clock.now();
    const wasPurgedSoftly = ttl === 0 && stored.lifetime > ageOf(stored, now);
    return judgeReuse(stored, x.directives, now, wasPurgedSoftly);
  }

  #serveFound(x: Exchange, { found, lockKey }: Lookup, reuse: Reuse | undefined, waited: boolean): boolean {
    if (found === undefined || reuse === undefined || reuse === 'stale' || reuse === 'request') return false;
    const now = this.#settings.clock.now();
    if (reuse !== 'stale-while-revalidate') return this.#send(x, found.stored, now, waited);
    // Where nothing can run again in the background, the client waits for the validation.
    if (!this.#refreshes.canRefresh(x.req) || !this.#send(x, found.stored, now)) return false;
    this.#refreshes.start(x, { found, index: undefined, lockKey });
    return true;
  }

  #refuse(x: Exchange): void {
    const { counts, name } = this.#settings;
    counts.onlyIfCachedMisses++;
    x.res.setHeader('Cache-Status', cacheStatus(name, { hit: false, fwd: 'miss', detail: 'only-if-cached' }));
    sendError(
      x.req,
      x.res,
      new ResilienceError('CACHE_ONLY_MISS', 'only-if-cached was asked and nothing usable is stored'),
    );
  }

  /** Fetches for everyone who wants the same. What came meanwhile, here or from another process, is used instead. */
  async #lead(x: Exchange, lookup: Lookup, reuse: Reuse | undefined): Promise<void> {
    const { lockKey } = lookup;
    const { store, lockTimeout } = this.#settings;
    const settle = this.#settling(lockKey);
    if (x.res.destroyed) return settle('handOver');
    try {
      const claim = await this.#saver.claim(lockKey, lockTimeout);
      const load = this.#saver.begin(x.key, lookup, claim);
      if (claim === undefined || peekStored(store, x.key, x.fields) !== undefined) {
        const newer = await this.#lookUp(x);
        const newerReuse = newer.found === undefined ? undefined : this.#judge(x, newer.found);
        if (this.#serveFound(x, newer, newerReuse, true)) {
          await this.#saver.abandon(load);
          return settle('stored');
        }
      }
      this.#forward(x, load, reasonOf(lookup, reuse), false, settle);
    } catch (error) {
      settle('pass');
      throw error;
    }
  }

  #forwardAlone(x: Exchange, lookup: Lookup, reuse: Reuse | undefined, untouched: boolean): void {
    const load = this.#saver.begin(x.key, lookup, undefined);
    this.#forward(x, load, reasonOf(lookup, reuse), untouched, (_outcome, uncacheable) =>
      this.#remember(lookup.lockKey, uncacheable),
    );
  }

  #forward(x: Exchange, load: Load, reason: ForwardReason, untouched: boolean, onSettled: Settle): void {
    const forwarding = { load, reason, untouched, onSettled };
    new Forwarding(this.#settings, this.#saver, x, forwarding).start();
  }

  /** The cache failed, not the origin: the request goes on as if there were none. */
  #forwardPlainly(x: Exchange, error: unknown): void {
    if (error instanceof Error) process.emitWarning(`cacheResponse: ${error.message}`, { code: 'TOOLOO_CACHE_FAILED' });
    x.next();
  }

  #settling(lockKey: string): Settle {
    return (outcome, uncacheable) => {
      this.#remember(lockKey, uncacheable);
      if (outcome === 'stored') this.#hitForMiss.forget(lockKey);
      this.#flights[outcome](lockKey);
    };
  }

  /** An answer that is not to be stored for what it is, not for who asked, will be so again. */
  #remember(lockKey: string, uncacheable: string | undefined): void {
    if (uncacheable === undefined || uncacheable === 'status' || uncacheable.startsWith('request-')) return;
    this.#hitForMiss.mark(lockKey, this.#settings.clock.now());
  }

  #passBy(reason: ForwardReason, res: ServerResponse, next: NextFunction): void {
    const { counts, name } = this.#settings;
    counts.bypassed++;
    beforeHead(res, () => {
      const before = joinValue(res.getHeader('cache-status'));
      res.setHeader('Cache-Status', appendCacheStatus(before, cacheStatus(name, { hit: false, fwd: reason })));
    });
    next();
  }
}

type Settle = (outcome: 'stored' | 'pass' | 'handOver', uncacheable?: string) => void;

/** Whether a request may wait for another's answer: one for the whole of something that can be shared while it is fresh. */
function mayCollapse(x: Exchange, found: Found | undefined, reuse: Reuse | undefined): boolean {
  if (x.served.isHead || x.served.range !== undefined || reuse === 'request') return false;
  if (x.directives.noCache !== undefined || x.directives.maxAge !== undefined || x.directives.minFresh !== undefined)
    return false;
  return found === undefined || (!found.stored.policy.noCache && found.stored.lifetime > found.stored.initialAge);
}

/** Why the request goes to the origin, in the terms of RFC 9211 §2.2. */
function reasonOf({ found, index }: Lookup, reuse: Reuse | undefined): ForwardReason {
  if (reuse === 'request') return 'request';
  if (found !== undefined) return reuse === 'stale' || reuse === 'stale-while-revalidate' ? 'stale' : 'partial';
  return index === undefined ? 'uri-miss' : 'vary-miss';
}

/** A GET with content means whatever its handler makes of that: no key covers it (RFC 9110 §9.3.1). */
function hasBody({ headers }: IncomingMessage, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
