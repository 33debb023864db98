/** Asking the origin for a request and dealing with what it answers: storing, confirming, covering its errors. */
import { ResilienceError } from '../../shared/errors.js';
import { sendError } from '../../shared/problem.js';
import {
  assess,
  buildResponse,
  refreshResponse,
  type Assessment,
  type BuildSettings,
  type RequestFacts,
} from './build-response.js';
import type { CacheSettings, Exchange } from './cache-settings.js';
import type { ForwardReason } from './cache-status.js';
import { confirms, isNotModified, validationFields } from './conditional.js';
import { fieldsOf } from './fields.js';
import { ForwardReply, type ForwardDetails } from './forward-reply.js';
import { dateOf } from './freshness.js';
import { cacheGroups, groupTag } from './invalidation.js';
import { combineParts, missingRange } from './range.js';
import { changeRequest } from './request-fields.js';
import { ResponseCapture, type CapturedBody, type CapturePlan, type ResponseHead } from './response-capture.js';
import type { Load, ResponseSaver } from './response-saver.js';
import { isCoveredError, mayServeOnError } from './reuse.js';
import type { StoredResponse } from './stored-response.js';
import { headDescribes } from './update.js';
import type { Found } from './variants.js';
import { varyNames } from './vary.js';

/** How the load of a request ends, for the requests that wait for it. */
export type LoadOutcome = 'stored' | 'pass' | 'handOver';

export interface ForwardOptions {
  readonly load: Load;
  readonly reason: ForwardReason;
  /** Leaves the client's own conditions and lets the handler answer them: nothing is expected to be stored. */
  readonly untouched: boolean;
  /** Called once. `uncacheable` tells why an answer was not to be stored, where that was so. */
  readonly onSettled: (outcome: LoadOutcome, uncacheable?: string) => void;
}

/**
 * What the handler's answer is. `stream`: an answer for the client as it is. `not-modified`: one the client has already.
 * `confirmed`, `unconfirmed`: a 304 to the cache's own conditions, for the stored response or for another. `cover`: an
 * error the stored response takes the place of. `timeout`: an error that must not be covered. `completion`: the missing
 * part. `head`: an answer to HEAD.
 */
type Kind = 'stream' | 'not-modified' | 'confirmed' | 'unconfirmed' | 'cover' | 'timeout' | 'completion' | 'head';

export class Forwarding {
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #x: Exchange;
  readonly #options: ForwardOptions;
  readonly #request: RequestFacts;
  readonly #reply: ForwardReply;
  readonly #found: Found | undefined;
  readonly #restore: () => void;
  readonly #capture: ResponseCapture;
  readonly #isValidating: boolean;
  readonly #isCompleting: boolean;
  #head: ResponseHead | undefined;
  #assessment: Assessment | undefined;
  #kind: Kind = 'stream';
  #isSettled = false;

  constructor(settings: CacheSettings, saver: ResponseSaver, exchange: Exchange, options: ForwardOptions) {
    this.#settings = settings;
    this.#saver = saver;
    this.#x = exchange;
    this.#options = options;
    this.#reply = new ForwardReply(settings, exchange, options.reason);
    this.#found = options.load.lookup.found;
    const stored = options.untouched ? undefined : this.#found?.stored;
    const { served } = exchange;
    const missing =
      stored === undefined || served.isHead || served.range !== undefined ? undefined : missingRange(stored);
    const validators = stored === undefined || stored.part !== undefined ? undefined : validationFields(stored);
    this.#isCompleting = missing !== undefined;
    this.#isValidating = validators !== undefined;
    // The client's conditions are answered here, from what comes: a 304 without a body could not be stored.
    const conditions = { 'if-none-match': undefined, 'if-modified-since': undefined, ...validators };
    const rest = missing && { range: `bytes=${missing.start}-${missing.end}`, 'if-range': stored?.etag };
    this.#restore = options.untouched ? (): void => undefined : changeRequest(exchange.req, { ...conditions, ...rest });
    this.#request = {
      fields: exchange.fields,
      directives: exchange.directives,
      requestTime: settings.clock.now(),
    };
    this.#capture = new ResponseCapture(exchange.res, settings.budget, {
      onHead: (head) => this.#onHead(head),
      onEnd: (captured) => this.#onEnd(captured),
      onOverflow: () => this.#settle('pass', 'too-large'),
      onClose: () => this.#onClose(),
      onDestroy: () => this.#onDestroy(),
    });
  }

  /** Hands the request on, with the response watched. */
  start(): void {
    const { req, res, next } = this.#x;
    try {
      next();
    } catch (error) {
      sendError(req, res, error);
    }
  }

  #onHead(head: ResponseHead): CapturePlan {
    this.#head = head;
    this.#kind = this.#kindOf(head);
    switch (this.#kind) {
      case 'confirmed':
      case 'unconfirmed':
      case 'cover':
      case 'timeout':
        return { collect: false, hold: true };
      case 'completion':
        this.#assess(head);
        return { collect: true, hold: true };
      case 'not-modified':
        return { collect: this.#assess(head), hold: true };
      case 'head':
        this.#reply.announce(head, {});
        return { collect: false, hold: false };
      case 'stream': {
        const collect = this.#assess(head);
        this.#reply.announce(head, this.#fate(collect));
        return { collect, hold: false };
      }
    }
  }

  #kindOf(head: ResponseHead): Kind {
    const stored = this.#found?.stored;
    if (stored !== undefined) {
      if (this.#isValidating && head.status === 304) return confirms(head.fields, stored) ? 'confirmed' : 'unconfirmed';
      if (isCoveredError(head.status) && this.#mayCover(stored)) return 'cover';
      // The gateway behind could not reach the origin, and what is stored must not be used without it (RFC 9111 §5.2.2.2).
      if (head.status === 502 && stored.policy.mustRevalidate) return 'timeout';
      if (this.#isCompleting && head.status === 206) return 'completion';
    }
    if (this.#x.served.isHead) return 'head';
    return !this.#options.untouched && this.#clientHas(head) ? 'not-modified' : 'stream';
  }

  #mayCover(stored: StoredResponse): boolean {
    return stored.part === undefined && mayServeOnError(stored, this.#x.directives, this.#settings.clock.now());
  }

  /** Whether the client's own conditions, kept from the handler, are met by its answer. */
  #clientHas({ status, fields }: ResponseHead): boolean {
    const { etag, 'last-modified': lastModified } = fields;
    if (etag === undefined && lastModified === undefined) return false;
    const responseTime = this.#settings.clock.now();
    const date = dateOf(fields, responseTime);
    return isNotModified({ status, etag, lastModified, responseTime, date }, this.#x.served);
  }

  /** Whether the response is to be stored; settles the load where it is not. */
  #assess(head: ResponseHead): boolean {
    const { budget, clock } = this.#settings;
    const assessment = assess(head, this.#request, this.#buildSettings(), clock.now());
    const isTooLarge = Number(head.fields['content-length'] ?? 0) > budget.maxBodySize;
    const unstorable = assessment.unstorable ?? (isTooLarge ? 'too-large' : undefined);
    this.#assessment = { ...assessment, unstorable };
    if (unstorable !== undefined) this.#settle('pass', unstorable);
    return unstorable === undefined;
  }

  /** What becomes of the answer, or why nothing does. */
  #fate(stored: boolean): ForwardDetails {
    const unstorable = this.#assessment?.unstorable;
    return unstorable === undefined ? { stored } : { detail: unstorable };
  }

  #buildSettings(): BuildSettings {
    const { shared, staleWhileRevalidate, staleIfError, ttl, counts } = this.#settings;
    let own: number | undefined;
    try {
      own = ttl(this.#x.req, this.#x.res);
    } catch {
      counts.failures++;
    }
    return { shared, staleWhileRevalidate, staleIfError, ttl: own };
  }

  #onEnd(captured: CapturedBody | undefined): void {
    this.#restore();
    this.#finish(captured).catch(() => {
      this.#settings.counts.failures++;
      this.#settle('pass');
    });
  }

  async #finish(captured: CapturedBody | undefined): Promise<void> {
    switch (this.#kind) {
      case 'confirmed':
        return this.#confirm();
      case 'unconfirmed':
        return this.#reject('the origin confirmed a response that is not the stored one');
      case 'cover':
        return this.#cover(this.#head!.status);
      case 'timeout':
        return this.#timeOut();
      case 'completion':
        return this.#complete(captured);
      case 'head':
        return this.#describe();
      case 'not-modified':
        this.#reply.sendNotModified(this.#capture, this.#head!, this.#fate(captured !== undefined));
        return this.#save(captured);
      case 'stream':
        return this.#save(captured);
    }
  }

  /** Stores a whole response; one cut short leaves the lead to the next. */
  async #save(captured: CapturedBody | undefined): Promise<void> {
    if (this.#isSettled) return;
    if (captured === undefined) return this.#settle('handOver');
    const response = buildResponse(this.#assessment!, captured, this.#request, this.#buildSettings());
    const combined = this.#found === undefined ? undefined : combineParts(this.#found.stored, response);
    await this.#store(combined ?? response, this.#head!.fields.vary);
  }

  async #store(response: StoredResponse, vary: string | undefined): Promise<void> {
    const { counts, vary: also } = this.#settings;
    const { load, onSettled } = this.#options;
    this.#isSettled = true;
    let saved = false;
    try {
      const names = varyNames(vary, also);
      const tags = this.#tags(this.#head!);
      saved = names !== undefined && (await this.#saver.save(load, response, names, this.#x.fields, tags));
    } catch {
      counts.failures++;
    }
    if (saved) counts.stored++;
    // Nobody may use it without asking: whoever waits has nothing to wait for.
    const isNeverFresh = response.policy.noCache || response.lifetime <= response.initialAge;
    onSettled(saved && !isNeverFresh ? 'stored' : 'pass');
  }

  #tags({ fields }: ResponseHead): string[] {
    const { req, res, resource } = this.#x;
    const groups = cacheGroups(fields['cache-groups']).map((group) => groupTag(resource.origin, group));
    return [...this.#settings.tags(req, res), ...groups];
  }

  /** 304: the stored response with the newer fields, for this client and for those to come (§4.3.3, §4.3.4). */
  async #confirm(): Promise<void> {
    const refreshed = this.#refreshed();
    this.#settings.counts.revalidated++;
    this.#reply.sendStored(this.#capture, refreshed, { fwdStatus: 304 });
    await this.#store(refreshed, this.#varyOf(refreshed));
  }

  #refreshed(): StoredResponse {
    const { stored } = this.#found!;
    return refreshResponse(stored, this.#head!, this.#request, this.#buildSettings(), this.#settings.clock.now());
  }

  /** The variant stays where it is when the newer head says nothing of `Vary`. */
  #varyOf(refreshed: StoredResponse): string | undefined {
    return this.#head!.fields.vary ?? fieldsOf(refreshed.headers).vary;
  }

  #cover(status: number | undefined): void {
    const { counts } = this.#settings;
    counts.staleHits++;
    counts.errorsCovered++;
    const details = { fwdStatus: status, detail: 'stale-if-error' };
    this.#reply.sendStored(this.#capture, this.#found!.stored, details);
    this.#settle('pass');
  }

  #timeOut(): void {
    const message = 'the stored response must be validated, and the origin cannot be reached';
    this.#reply.fail(this.#capture, new ResilienceError('UPSTREAM_TIMEOUT', message), this.#head?.status);
    this.#settle('pass');
  }

  #reject(message: string): void {
    this.#reply.fail(this.#capture, new ResilienceError('UPSTREAM_INVALID', message), this.#head?.status);
    this.#settle('handOver');
  }

  /** The missing part came: the client gets the whole, and so does the store (§3.4). */
  async #complete(captured: CapturedBody | undefined): Promise<void> {
    const { stored } = this.#found!;
    const newer = captured && buildResponse(this.#assessment!, captured, this.#request, this.#buildSettings());
    const whole = newer && combineParts(stored, newer);
    if (whole === undefined || whole.part !== undefined) {
      return this.#reject('the origin sent another part than the one asked for');
    }
    this.#settings.counts.misses++;
    const isStorable = this.#assessment!.unstorable === undefined;
    this.#reply.sendStored(this.#capture, whole, { fwdStatus: 206, stored: isStorable });
    if (isStorable) await this.#store(whole, this.#varyOf(whole));
  }

  /** A 200 to HEAD confirms or refutes what is stored for GET (§4.3.5). */
  async #describe(): Promise<void> {
    const head = this.#head!;
    if (this.#found !== undefined && head.status === 200) {
      const { stored, key } = this.#found;
      if (headDescribes(head.fields, stored)) {
        const refreshed = this.#refreshed();
        return this.#store(refreshed, this.#varyOf(refreshed));
      }
      await this.#settings.store.invalidate(key);
    }
    this.#settle('handOver');
  }

  #onClose(): void {
    this.#restore();
    this.#settle('handOver');
  }

  /** The handler gave up without an answer: as good as no connection to the origin. */
  #onDestroy(): boolean {
    const stored = this.#found?.stored;
    if (stored === undefined) return false;
    const mayCover = this.#mayCover(stored);
    if (!mayCover && !stored.policy.mustRevalidate) return false;
    this.#restore();
    if (mayCover) this.#cover(undefined);
    else this.#timeOut();
    return true;
  }

  #settle(outcome: LoadOutcome, uncacheable?: string): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const { counts } = this.#settings;
    if (uncacheable !== undefined) counts.uncacheable++;
    this.#saver.abandon(this.#options.load).catch(() => counts.failures++);
    this.#options.onSettled(outcome, uncacheable);
  }
}
