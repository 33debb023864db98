/** Requests a response from the origin and processes it: stores it, confirms a stored one, or replaces an error. */
import { ResilienceError } from '../../shared/errors.js';
import { sendError } from '../../shared/problem.js';
import { buildSettingsFor } from './assess-head.js';
import { buildResponse, refreshResponse } from './build-response.js';
import type { CacheSettings } from './cache-settings.js';
import type { Exchange } from './exchange.js';
import { fieldsOf } from './fields.js';
import type { ForwardOptions, LoadOutcome } from './forward-options.js';
import { ForwardPlan, type JudgedHead } from './forward-plan.js';
import { ForwardReply, type ForwardDetails } from './forward-reply.js';
import { cacheGroups, groupTag } from './invalidation.js';
import { combineParts } from './range.js';
import { refetch } from './refetch.js';
import { changeRequest } from './request-fields.js';
import { ResponseCapture, type CapturedBody, type CaptureEvents, type CapturePlan } from './response-capture.js';
import type { ResponseHead } from './response-head.js';
import type { ResponseSaver } from './response-saver.js';
import { isForEveryone, type Unstorable } from './storable.js';
import type { StoredResponse } from './stored-response.js';
import { headDescribes, mergedVary } from './update.js';
import type { Found } from './variants.js';
import { varyNames } from './vary.js';

export class Forwarding implements CaptureEvents {
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #x: Exchange;
  readonly #options: ForwardOptions;
  readonly #reply: ForwardReply;
  readonly #found: Found | undefined;
  readonly #plan: ForwardPlan;
  readonly #restore: () => void;
  readonly #capture: ResponseCapture;
  #judged: JudgedHead | undefined;
  #headTime = 0;
  #isSettled = false;

  constructor(settings: CacheSettings, saver: ResponseSaver, exchange: Exchange, options: ForwardOptions) {
    this.#settings = settings;
    this.#saver = saver;
    this.#x = exchange;
    this.#options = options;
    this.#reply = new ForwardReply(settings, exchange, options.reason);
    this.#found = options.load.lookup.found;
    this.#plan = new ForwardPlan(settings, exchange, this.#found?.stored, options.asksForWhole);
    const { req, res } = exchange;
    const { changes } = this.#plan;
    this.#restore = changes === undefined ? (): void => undefined : changeRequest(req, changes);
    this.#capture = new ResponseCapture(req, res, this.#plan.mayHold, settings.budget, this);
  }

  /** Passes the request on and watches the response. */
  start(): void {
    const { req, res, next } = this.#x;
    const { claim } = this.#options.load;
    try {
      // Within the claim, so that another cache over the same storage does not wait for it.
      if (claim?.run === undefined) next();
      else claim.run(next);
    } catch (error) {
      sendError(req, res, error);
    }
  }

  get #head(): ResponseHead {
    return this.#judged!.head;
  }

  onHead(head: ResponseHead): CapturePlan {
    const judged = this.#plan.judge(head);
    this.#judged = judged;
    const collect = judged.assessment !== undefined && judged.assessment.unstorable === undefined;
    switch (judged.kind) {
      case 'confirmed':
      case 'unconfirmed':
      case 'cover':
      case 'timeout':
        return { collect: false, hold: true };
      case 'completion':
        return { collect: true, hold: true };
      case 'not-modified':
        return { collect, hold: true };
      case 'head':
        return { collect: false, hold: false, status: this.#reply.status(head, {}) };
      case 'stream':
        return { collect, hold: false, status: this.#reply.status(head, this.#fate(collect)) };
    }
  }

  onAccepted(): void {
    const { kind, assessment } = this.#judged!;
    this.#headTime = this.#settings.clock.now() - this.#plan.request.requestTime;
    if (kind === 'stream' || kind === 'head') this.#settings.counts.misses++;
    const unstorable = assessment?.unstorable;
    if (unstorable !== undefined) this.#settle('pass', unstorable, this.#plan.hadStorable(this.#head));
    else if (assessment !== undefined) this.#options.onComing?.();
  }

  /** Whether the response was stored, or the reason why not. */
  #fate(stored: boolean): ForwardDetails {
    const unstorable = this.#judged?.assessment?.unstorable;
    return unstorable === undefined ? { stored } : { detail: unstorable };
  }

  onEnd(captured: CapturedBody | undefined): void {
    this.#restore();
    if (this.#isSettled && this.#judged?.kind === 'stream') return; // nothing is left to do, for most responses that pass
    this.#finish(captured).catch(() => {
      this.#settings.counts.failures++;
      this.#settle('pass');
    });
  }

  async #finish(captured: CapturedBody | undefined): Promise<void> {
    if (this.#judged === undefined) return this.#settle('handOver');
    switch (this.#judged.kind) {
      case 'confirmed':
        return this.#confirm();
      case 'unconfirmed':
        return this.#fetchAgain();
      case 'cover':
        return this.#cover(this.#head.status);
      case 'timeout':
        return this.#timeOut();
      case 'completion':
        return this.#complete(captured);
      case 'head':
        return this.#describe();
      case 'not-modified':
        this.#reply.sendNotModified(this.#capture, this.#head, this.#fate(captured !== undefined));
        return this.#save(captured);
      case 'stream':
        return this.#save(captured);
    }
  }

  /** Stores a whole response. A truncated one passes the lead to the next request. */
  async #save(captured: CapturedBody | undefined): Promise<void> {
    if (this.#isSettled) return;
    if (captured === undefined) return this.#settle('handOver');
    const response = this.#build(captured);
    if (response === undefined) return this.#settle('pass');
    const combined = this.#found === undefined ? undefined : combineParts(this.#found.stored, response);
    await this.#store(combined ?? response, this.#head.fields.vary);
  }

  #build(captured: CapturedBody): StoredResponse | undefined {
    return buildResponse(
      this.#head,
      this.#judged!.assessment!,
      captured,
      this.#plan.request,
      buildSettingsFor(this.#settings, this.#x),
    );
  }

  async #store(response: StoredResponse, vary: string | undefined): Promise<void> {
    const { counts, vary: also } = this.#settings;
    const { load, onSettled } = this.#options;
    this.#isSettled = true;
    let saved = false;
    try {
      const names = varyNames(vary, also);
      saved = names !== undefined && (await this.#saver.save(load, response, names, this.#x.fields, this.#tags()));
    } catch {
      counts.failures++;
    }
    if (saved) counts.stored++;
    // No request may use it without validation, so waiting requests have no reason to wait.
    const isNeverFresh = response.policy.noCache || response.lifetime <= response.initialAge;
    const directives = this.#judged?.assessment?.directives;
    onSettled(saved && !isNeverFresh ? 'stored' : 'pass', {
      isForEveryone: directives !== undefined && isForEveryone(directives),
      headTime: this.#headTime,
    });
  }

  #tags(): string[] {
    const { req, res, resource } = this.#x;
    const groups = cacheGroups(this.#head.fields['cache-groups']).map((group) => groupTag(resource.origin, group));
    return [...this.#settings.tags(req, res), ...groups];
  }

  /** 304: the stored response with the newer fields, for this client and for later ones (§4.3.3, §4.3.4). */
  async #confirm(): Promise<void> {
    const refreshed = this.#refreshed();
    this.#settings.counts.revalidated++;
    this.#reply.sendStored(this.#capture, refreshed, { fwdStatus: 304 });
    await this.#store(refreshed, this.#varyOf(refreshed));
  }

  #refreshed(): StoredResponse {
    const { stored } = this.#found!;
    const now = this.#settings.clock.now();
    return refreshResponse(stored, this.#head, this.#plan.request, buildSettingsFor(this.#settings, this.#x), now);
  }

  /** What the stored response varies on, and what the newer head adds. */
  #varyOf(refreshed: StoredResponse): string | undefined {
    return mergedVary(fieldsOf(refreshed.headers), this.#head.fields);
  }

  /**
   * The origin's 304 names a response that neither the client nor the cache has. The stored one is useless, so the
   * whole response is fetched, once.
   */
  async #fetchAgain(): Promise<void> {
    await this.#settings.store.invalidate(this.#found!.key);
    this.#capture.release();
    this.#settle('pass');
    if (!refetch(this.#x.req, this.#x.res)) {
      const message = 'the origin confirmed a response that is not the stored one';
      this.#reply.fail(this.#capture, new ResilienceError('UPSTREAM_INVALID', message), 304);
    }
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
    this.#reply.fail(this.#capture, new ResilienceError('UPSTREAM_TIMEOUT', message), this.#judged?.head.status);
    this.#settle('pass');
  }

  /** The missing part arrived: the client receives the whole response, which is also stored (§3.4). */
  async #complete(captured: CapturedBody | undefined): Promise<void> {
    const newer = captured && this.#build(captured);
    const whole = newer && combineParts(this.#found!.stored, newer);
    if (whole === undefined || whole.part !== undefined) return this.#fetchAgain();
    this.#settings.counts.misses++;
    const isStorable = this.#judged!.assessment!.unstorable === undefined;
    this.#reply.sendStored(this.#capture, whole, { fwdStatus: 206, stored: isStorable });
    if (isStorable) await this.#store(whole, this.#varyOf(whole));
  }

  /** A 200 to HEAD confirms or contradicts the response stored for GET (§4.3.5). */
  async #describe(): Promise<void> {
    const head = this.#head;
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

  onOverflow(): void {
    this.#settle('pass', 'too-large');
  }

  onClose(): void {
    this.#restore();
    this.#settle('handOver');
  }

  /** The handler ended without a response, which counts as no connection to the origin. */
  onDestroy(): boolean {
    const mayCover = this.#plan.mayCover();
    if (!mayCover && this.#found?.stored.policy.mustRevalidate !== true) return false;
    this.#restore();
    if (mayCover) this.#cover(undefined);
    else this.#timeOut();
    return true;
  }

  #settle(outcome: LoadOutcome, uncacheable?: Unstorable, hadStorable = false): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const { counts } = this.#settings;
    if (uncacheable !== undefined) counts.uncacheable++;
    // No promise where nothing is to be released, as for most responses that are not stored.
    this.#saver.abandon(this.#options.load)?.catch(() => counts.failures++);
    this.#options.onSettled(outcome, { uncacheable, hadStorable });
  }
}
