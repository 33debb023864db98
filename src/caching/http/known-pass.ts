/**
 * Passes on a request whose resource had a response that could not be stored. It watches only the head of the response,
 * because collecting a body costs more than all else the cache does for such a request. A response that could be stored
 * after all is sent without being stored, and the next one is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NextFunction } from '../../shared/http.js';
import { sendError } from '../../shared/problem.js';
import type { Answers } from './answer-memory.js';
import { assessHead } from './assess-head.js';
import { RequestFacts } from './build-response.js';
import type { CacheSettings } from './cache-settings.js';
import { appendCacheStatus, cacheStatus } from './cache-status.js';
import type { Exchange } from './exchange.js';
import { joinValue, type FieldValue } from './fields.js';
import { fieldOf, HeadHook, type DecidedHead, type HeadListener } from './head-hook.js';
import { sameValue, type HeadFacts } from './response-head.js';
import { SentRuleFields } from './rule-fields.js';
import { concernsResource, type Unstorable } from './storable.js';

/** It keeps no `Exchange`: of that, it needs little, and the garbage collector copies all that a request in progress keeps. */
export class KnownPass extends RequestFacts implements HeadListener {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly #settings: CacheSettings;
  readonly #answers: Answers;
  readonly #isHead: boolean;
  readonly #shownKey: string | undefined;
  /** Cookies that middleware before the cache set are not part of the handler's response. */
  readonly #cookiesBefore: FieldValue;
  #unstorable: Unstorable | undefined;
  /** Whether the reason is only expected, because it held for an earlier response. */
  #isExpected = false;

  constructor(settings: CacheSettings, exchange: Exchange, answers: Answers, now: number) {
    super(exchange, now);
    this.req = exchange.req;
    this.res = exchange.res;
    this.#settings = settings;
    this.#answers = answers;
    this.#isHead = exchange.isHead;
    this.#shownKey = settings.exposeKey ? exchange.key : undefined;
    this.#cookiesBefore = cookiesOf(exchange.res);
  }

  start(next: NextFunction): void {
    const { req, res } = this;
    new HeadHook(res, this);
    try {
      next();
    } catch (error) {
      sendError(req, res, error);
    }
  }

  judge(decided: DecidedHead): string {
    const head = this.#factsOf(decided);
    // A response to HEAD says nothing about those to GET.
    this.#unstorable = this.#isHead ? undefined : this.#whyNotStorable(head);
    const details = { hit: false, fwd: 'uri-miss', key: this.#shownKey, detail: this.#unstorable } as const;
    const member = cacheStatus(this.#settings.name, details);
    return appendCacheStatus(head.fields['cache-status'], member);
  }

  accept(): void {
    const { counts, clock } = this.#settings;
    counts.misses++;
    if (this.#unstorable !== undefined) counts.uncacheable++;
    if (this.#isHead) return;
    if (this.#unstorable === undefined) this.#answers.markStorable();
    // What is only expected must not prolong itself, or a body that has become smaller would never be collected again.
    else if (!this.#isExpected && concernsResource(this.#unstorable))
      this.#answers.markUnstorable(this.#unstorable, clock.now(), true);
  }

  #factsOf(decided: DecidedHead): HeadFacts {
    const cookies = decided.valueOf('set-cookie');
    const own = sameValue(cookies, this.#cookiesBefore) ? undefined : joinValue(cookies);
    return { status: decided.status, fields: new SentRuleFields(decided, own) };
  }

  /** A body without a stated length that was too large before is taken to be so again. */
  #whyNotStorable(head: HeadFacts): Unstorable | undefined {
    const { unstorable } = assessHead(this.#settings, this, this, head);
    const mayBeTooLarge = this.#answers.wasTooLarge && head.fields['content-length'] === undefined;
    this.#isExpected = unstorable === undefined && mayBeTooLarge;
    return this.#isExpected ? 'too-large' : unstorable;
  }
}

/** `appendHeader` adds to the same list, so a copy is kept. */
function cookiesOf(res: ServerResponse): FieldValue {
  const cookies = fieldOf(res, 'set-cookie');
  return Array.isArray(cookies) ? cookies.slice() : cookies;
}
