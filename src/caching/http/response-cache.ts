/** The cache between requests and handlers: looks up, collapses, forwards, refreshes (RFC 9111 §4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { abortResponse } from '../../shared/abort-response.js';
import { ResilienceError } from '../../shared/errors.js';
import type { NextFunction } from '../../shared/http.js';
import { nameRouteOf, OwnedAttributes, startSpanOf } from '../../shared/instrumentation.js';
import { sendError } from '../../shared/problem.js';
import { isHttp2Response } from '../../shared/http2-message.js';
import { AnswerMemory } from './answer-memory.js';
import { BackgroundRefresh } from './background-refresh.js';
import { NO_DIRECTIVES } from './cache-control.js';
import { isBypassed, type CacheSettings } from './cache-settings.js';
import { cacheStatus, type ForwardReason } from './cache-status.js';
import { exchangeOf, hasContent, type Exchange } from './exchange.js';
import { Fence } from './fence.js';
import { isReload, mayLead, reasonOf } from './forward-reason.js';
import { ForwardOptions, type AnswerFacts, type LoadOutcome } from './forward-options.js';
import { Forwarding } from './forwarding.js';
import { isSafeMethod } from './invalidation.js';
import { Invalidator } from './invalidator.js';
import { KnownPass } from './known-pass.js';
import { enterCache, PassedCache } from './nested-caches.js';
import { passBy } from './pass-by.js';
import { PurgeRequests } from './purge-requests.js';
import { ResponseSaver, type Load } from './response-saver.js';
import { ageOf, answersIdentity, judgeReuse, type Reuse } from './reuse.js';
import { sendStored, ttlSeconds } from './send-stored.js';
import { watchUnsafe, type ChangingCache } from './unsafe-request.js';
import { SingleFlight } from './single-flight.js';
import { identifies } from './storable.js';
import type { StoredResponse } from './stored-response.js';
import {
  NothingFound,
  peekFacetKey,
  peekStored,
  readFacetKey,
  readStored,
  type Found,
  type Lookup,
} from './variants.js';

/** The most waits of a request for others: one for the resource, one for its variant. */
const MOST_WAITS = 2;
/** Attributes of the span of a hit. All of them have this object, because such a span ends at once. */
const HIT = new (class extends OwnedAttributes {
  readonly 'cache.hit' = true;
})();

export class ResponseCache {
  readonly invalidator: Invalidator;
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #flights = new SingleFlight();
  readonly #memory = new AnswerMemory();
  readonly #refreshes: BackgroundRefresh;
  readonly #purges: PurgeRequests;
  readonly #self: PassedCache;
  readonly #changing: ChangingCache;

  constructor(settings: CacheSettings) {
    const fence = new Fence();
    this.#settings = settings;
    this.#saver = new ResponseSaver(settings.store, fence);
    this.invalidator = new Invalidator(settings, fence, this.#memory);
    this.#self = new PassedCache(settings.store, this.invalidator);
    this.#changing = { settings, memory: this.#memory, saver: this.#saver, invalidator: this.invalidator };
    this.#refreshes = new BackgroundRefresh(settings, this.#saver, this.#flights);
    this.#purges = new PurgeRequests(settings, this.invalidator);
  }

  /** Requests that wait for others, and resources being fetched. */
  get load(): { waiting: number; inFlight: number } {
    return { waiting: this.#flights.waiting, inFlight: this.#flights.size };
  }

  /** Serves a request from the cache or passes it on. */
  handle(req: IncomingMessage, res: ServerResponse, next: NextFunction): void {
    const { methods } = this.#settings;
    const method = req.method ?? 'GET';
    // An earlier cache with the same store does all the work.
    if (!enterCache(req, this.#self)) return next();
    if (this.#purges.handle(req, res)) return;
    if (!isSafeMethod(method)) watchUnsafe(this.#changing, req, res);
    if (!methods.has(method)) return next();
    const job = this.#refreshes.claimed(req);
    if (job === undefined && (hasContent(req) || isBypassed(this.#settings, req))) {
      return passBy(this.#settings, 'bypass', res, next);
    }
    const x = exchangeOf(this.#settings, req, res, next);
    if (x === undefined || x.isUnkeyed) return passBy(this.#settings, 'bypass', res, next);
    if (job !== undefined) return this.#forward(x, job.load, 'stale', job.settle);
    if (x.directives.noStore) return passBy(this.#settings, 'request', res, next);
    if (this.#serveFromMemory(x) || this.#forwardKnown(x)) return;
    this.#serveOrForward(x).catch((error: unknown) => {
      this.#settings.counts.failures++;
      if (res.headersSent || res.destroyed) abortResponse(res);
      else this.#forwardPlainly(x, error);
    });
  }

  close(): void {
    this.#refreshes.close();
    this.#memory.clear();
  }

  /** The path of most requests: plain code, no promise. */
  #serveFromMemory(x: Exchange): boolean {
    const { store, clock } = this.#settings;
    if (x.key === '') {
      const key = peekFacetKey(store, x.baseKey, x.resource);
      if (key === undefined) return false;
      x.key = key;
    }
    const stored = peekStored(store, x.key, x.fields);
    if (stored === undefined || !answersIdentity(stored, x.credentials)) return false;
    const now = clock.now();
    if (judgeReuse(stored, x.directives, now) !== 'fresh' || !this.#send(x, stored, now)) return false;
    startSpanOf(x.req, 'cache.lookup', HIT)?.end();
    return true;
  }

  /**
   * Forwards a request at once if the last responses of its resource were neither stored nor storable. The promises of a
   * look-up would cost more than all else the cache does for such a response.
   */
  #forwardKnown(x: Exchange): boolean {
    const { key, directives } = x;
    if (key === '' || directives.onlyIfCached === true) return false;
    const answers = this.#memory.find(key);
    const now = this.#settings.clock.now();
    if (answers?.isNeitherStoredNorStorable(now) !== true) return false;
    // Under HTTP/2, Node does not call `writeHead` for a head that the handler leaves to it.
    if (isHttp2Response(x.res)) this.#forwardAlone(x, new NothingFound(key), undefined);
    else new KnownPass(this.#settings, x, answers, now).start(x.next);
    return true;
  }

  #send(x: Exchange, stored: StoredResponse, now: number, waited = false): boolean {
    const { counts, name, exposeKey } = this.#settings;
    const key = exposeKey ? x.key : undefined;
    const member = waited
      ? cacheStatus(name, { hit: false, fwd: 'miss', collapsed: true, key })
      : cacheStatus(name, { hit: true, ttl: ttlSeconds(stored, ageOf(stored, now)), key });
    if (stored.route !== undefined) nameRouteOf(x.req, stored.route);
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
      const { found, lockKey } = lookup;
      const reuse = found === undefined ? undefined : this.#judge(x, found, waits > 0);
      if (this.#serveFound(x, lookup, reuse, waits > 0)) return;
      if (x.directives.onlyIfCached) return this.#refuse(x);
      // Requests that demand a new response share one among themselves, but not with other requests.
      const flight = isReload(x, reuse) ? `${lockKey}\nreload` : lockKey;
      if (waits >= MOST_WAITS || !this.#mayCollapse(x, lookup)) return this.#forwardAlone(x, lookup, reuse);
      if (!this.#flights.isOpen(flight) && !mayLead(x, found, this.#memory.asksForWhole(lockKey)))
        return this.#forwardAlone(x, lookup, reuse);
      if (this.#flights.lead(flight)) return this.#lead(x, lookup, reuse, flight);
      const limits = { head: Math.min(lockTimeout, this.#memory.headWait(lockKey)), whole: lockTimeout };
      const outcome = await this.#flights.wait(flight, x.req, x.res, limits, clock);
      if (outcome === 'gone') return;
      if (outcome === 'lead') return this.#lead(x, lookup, reuse, flight);
      if (outcome === 'pass') return this.#forwardAlone(x, lookup, reuse);
    }
  }

  /** Finds the stored response that may answer this request. */
  async #lookUp(x: Exchange): Promise<Lookup> {
    const { store } = this.#settings;
    const span = startSpanOf(x.req, 'cache.lookup');
    try {
      if (x.resource.facet !== '') x.key = await readFacetKey(store, x.baseKey, x.resource);
      const lookup = await readStored(store, x.key, x.fields);
      const { found } = lookup;
      const isOthers = found !== undefined && !answersIdentity(found.stored, x.credentials);
      span?.setAttribute('cache.hit', found !== undefined && !isOthers && this.#judge(x, found, false) === 'fresh');
      return isOthers ? { ...lookup, found: undefined } : lookup;
    } finally {
      span?.end();
    }
  }

  /** @param waited whether it was fetched while the request waited, and so is as new as the request can demand */
  #judge(x: Exchange, { stored, ttl }: Found, waited: boolean): Reuse {
    const now = this.#settings.clock.now();
    const wasPurgedSoftly = ttl === 0 && stored.lifetime > ageOf(stored, now);
    const { noCache, maxAge, ...others } = x.directives;
    const isAnew = noCache !== undefined || maxAge === 0;
    const reuse = judgeReuse(stored, waited && isAnew ? others : x.directives, now, wasPurgedSoftly);
    const hasValidator = stored.etag !== undefined || stored.lastModified !== undefined;
    if (reuse !== 'request' || hasValidator || this.#settings.clientDirectives !== 'validators-only') return reuse;
    return judgeReuse(stored, NO_DIRECTIVES, now, wasPurgedSoftly);
  }

  #serveFound(x: Exchange, { found, lockKey }: Lookup, reuse: Reuse | undefined, waited: boolean): boolean {
    if (found === undefined || reuse === undefined || reuse === 'stale' || reuse === 'request') return false;
    const now = this.#settings.clock.now();
    if (reuse !== 'stale-while-revalidate') return this.#send(x, found.stored, now, waited);
    // If the request cannot run again in the background, the client waits for the validation.
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
      new ResilienceError('CACHE_ONLY_MISS', 'the request is only-if-cached and there is no usable stored response'),
    );
  }

  /**
   * Whether a request may share another's response: only for a whole response whose predecessor could be shared. With
   * credentials only if that predecessor was for everyone.
   */
  #mayCollapse({ served, credentials }: Exchange, { found, lockKey }: Lookup): boolean {
    if (served.isHead || served.range !== undefined) return false;
    const answers = this.#memory.find(lockKey);
    if (answers?.isUnstorable(this.#settings.clock.now()) === true) return false;
    if (found === undefined) return !identifies(credentials) || answers?.isForEveryone === true;
    return !found.stored.policy.noCache && found.stored.lifetime > found.stored.initialAge;
  }

  /**
   * Fetches for all requests for the same response. A response stored in the meantime, here or by another process, is
   * used instead.
   */
  async #lead(x: Exchange, lookup: Lookup, reuse: Reuse | undefined, flight: string): Promise<void> {
    const { lockKey } = lookup;
    const { store, lockTimeout } = this.#settings;
    const settle: Settle = (outcome, facts = {}) => {
      this.#remember(lookup, facts, outcome);
      this.#flights[outcome](flight);
    };
    const onComing = (): void => this.#flights.coming(flight);
    if (x.res.destroyed) return settle('handOver', {});
    try {
      // Another process may fetch the same, but a demanded reload must not use that response.
      if (flight !== lockKey)
        return this.#forward(x, this.#saver.begin(x, lookup, undefined), 'request', settle, onComing);
      const claim = await this.#saver.claim(lockKey, Math.min(lockTimeout, this.#memory.headWait(lockKey)));
      const load = this.#saver.begin(x, lookup, claim);
      if (claim === undefined || peekStored(store, x.key, x.fields) !== undefined) {
        const newer = await this.#lookUp(x);
        const newerReuse = newer.found === undefined ? undefined : this.#judge(x, newer.found, true);
        if (this.#serveFound(x, newer, newerReuse, true)) {
          await this.#saver.abandon(load);
          return settle('stored', {});
        }
      }
      this.#forward(x, load, reasonOf(lookup, reuse), settle, onComing);
    } catch (error) {
      settle('pass', {});
      throw error;
    }
  }

  #forwardAlone(x: Exchange, lookup: Lookup, reuse: Reuse | undefined): void {
    const load = this.#saver.begin(x, lookup, undefined);
    this.#forward(x, load, reasonOf(lookup, reuse), (outcome, facts = {}) => this.#remember(lookup, facts, outcome));
  }

  #forward(x: Exchange, load: Load, reason: ForwardReason, onSettled: Settle, onComing?: () => void): void {
    const asksForWhole = this.#memory.asksForWhole(load.lookup.lockKey);
    const options = new ForwardOptions(load, reason, asksForWhole, onSettled, onComing);
    new Forwarding(this.#settings, this.#saver, x, options).start();
  }

  /** The cache failed, not the origin: the request continues without the cache. */
  #forwardPlainly(x: Exchange, error: unknown): void {
    if (error instanceof Error) process.emitWarning(`cacheResponse: ${error.message}`, { code: 'TOOLOO_CACHE_FAILED' });
    x.next();
  }

  #remember({ lockKey, found }: Lookup, facts: AnswerFacts, outcome: LoadOutcome): void {
    this.#memory.remember(lockKey, facts, outcome, { now: this.#settings.clock.now(), isAbsent: found === undefined });
  }
}

type Settle = (outcome: LoadOutcome, facts?: AnswerFacts) => void;
