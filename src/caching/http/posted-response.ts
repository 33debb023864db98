/**
 * The response to a POST as the representation of its target, for later GETs: where it names the target in
 * `Content-Location` and states its freshness (RFC 9110 §9.3.3).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { viewOf } from '../../shared/request-view.js';
import type { Answers } from './answer-memory.js';
import { assess, buildResponse, RequestFacts, type Assessment, type BuildSettings } from './build-response.js';
import type { CacheSettings } from './cache-settings.js';
import { appendCacheStatus, cacheStatus } from './cache-status.js';
import { exchangeOf, type Exchange } from './exchange.js';
import { ResponseCapture, type CapturedBody, type CaptureEvents, type CapturePlan } from './response-capture.js';
import type { ResponseHead } from './response-head.js';
import type { Load, ResponseSaver } from './response-saver.js';
import { varyNames } from './vary.js';

const PASS: CapturePlan = { collect: false, hold: false };

/** The parts of a cache that store the response to a POST. */
export interface PostCache {
  readonly settings: CacheSettings;
  readonly saver: ResponseSaver;
  /** The earlier responses of the target. */
  readonly answersOf: () => Answers;
}

/** Watches a POST. Everything goes to the client as the handler writes it. */
export function watchPost(cache: PostCache, req: IncomingMessage, res: ServerResponse): void {
  const { settings } = cache;
  // A key of the application's covers the content of a POST, and says nothing of a GET.
  if (settings.key !== undefined) return;
  const x = exchangeOf(settings, viewOf(req, { method: 'GET' }), res, () => undefined);
  if (x !== undefined && x.resource.facet === '') new PostedResponse(cache, x).watch(req);
}

class PostedResponse implements CaptureEvents {
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #answersOf: () => Answers;
  readonly #x: Exchange;
  readonly #request: RequestFacts;
  readonly #began: Load;
  #head: ResponseHead | undefined;
  #assessment: Assessment | undefined;
  #load: Load | undefined;

  constructor({ settings, saver, answersOf }: PostCache, x: Exchange) {
    this.#settings = settings;
    this.#saver = saver;
    this.#answersOf = answersOf;
    this.#x = x;
    this.#request = new RequestFacts(x, settings.clock.now());
    this.#began = this.#newLoad();
  }

  watch(req: IncomingMessage): void {
    new ResponseCapture(req, this.#x.res, false, this.#settings.budget, this);
  }

  onHead(head: ResponseHead): CapturePlan {
    this.#head = head;
    this.#assessment = undefined;
    if (head.status !== 200 || !this.#isOfTarget(head.fields['content-location'])) return PASS;
    // Another change since then may be missing in what this handler read.
    if (!this.#saver.isCurrent(this.#began, [])) return PASS;
    const assessment = assess(head, this.#request, this.#buildSettings(), this.#settings.clock.now());
    const isFresh = assessment.lifetime > 0 && assessment.directives.noCache !== true;
    if (assessment.unstorable !== undefined || !isFresh) return PASS;
    this.#assessment = assessment;
    const member = cacheStatus(this.#settings.name, { hit: false, fwd: 'method', stored: true });
    return { collect: true, hold: false, status: appendCacheStatus(head.fields['cache-status'], member) };
  }

  /** Begins only now: the POST itself has just invalidated what was stored before. */
  onAccepted(): void {
    if (this.#assessment !== undefined) this.#load = this.#newLoad();
    // An error says nothing of what a success would name.
    const { status, fields } = this.#head!;
    if (status < 400 && fields['content-location'] === undefined) this.#answersOf().postsPass = true;
  }

  #newLoad(): Load {
    return this.#saver.begin(this.#x, { found: undefined, index: undefined, lockKey: this.#x.key }, undefined);
  }

  onEnd(captured: CapturedBody | undefined): void {
    const { counts } = this.#settings;
    this.#store(captured).then(
      (isStored) => void (counts.stored += isStored ? 1 : 0),
      () => counts.failures++,
    );
  }

  onOverflow(): void {
    // The client gets everything as the handler writes it, so there is nothing to do.
  }

  onClose(): void {
    // Nothing was taken that is to be given back.
  }

  onDestroy(): boolean {
    return false;
  }

  async #store(captured: CapturedBody | undefined): Promise<boolean> {
    const { vary } = this.#settings;
    if (
      captured === undefined ||
      this.#head === undefined ||
      this.#assessment === undefined ||
      this.#load === undefined
    )
      return false;
    const response = buildResponse(this.#head, this.#assessment, captured, this.#request, this.#buildSettings());
    const names = varyNames(this.#head.fields.vary, vary);
    const tags = this.#settings.tags(this.#x.req, this.#x.res);
    if (response === undefined || names === undefined || !this.#saver.isCurrent({ ...this.#began, baseKey: '' }, tags))
      return false;
    return this.#saver.save(this.#load, response, names, this.#x.fields, tags);
  }

  /** Only a freshness that the response states counts. */
  #buildSettings(): BuildSettings {
    const { shared, staleWhileRevalidate, staleIfError, vary } = this.#settings;
    return { shared, staleWhileRevalidate, staleIfError, vary, ttl: undefined, heuristic: false };
  }

  #isOfTarget(location: string | undefined): boolean {
    if (location === undefined) return false;
    const { origin, target } = this.#x.resource;
    try {
      const own = new URL(origin + target);
      return new URL(location, own).href === own.href;
    } catch {
      return false;
    }
  }
}
