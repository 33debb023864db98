/**
 * Plans the request to the origin, and decides what the head of its response means for the stored response. Decides
 * only, and has no effects.
 */
import { assessHead } from './assess-head.js';
import { RequestFacts, type Assessment } from './build-response.js';
import type { CacheSettings } from './cache-settings.js';
import type { Exchange } from './exchange.js';
import { confirms, isConditional, isNotModified, validationFields } from './conditional.js';
import { dateOf } from './freshness.js';
import { missingRange } from './range.js';
import type { ResponseHead } from './response-head.js';
import { isCoveredError, mayServeOnError } from './reuse.js';
import type { StoredResponse } from './stored-response.js';

/**
 * The kind of the handler's response.
 *
 * - `stream`: a response for the client, unchanged.
 * - `not-modified`: the client has the response already.
 * - `confirmed`, `unconfirmed`: a 304 to the cache's own conditions, for the stored response or for another one.
 * - `cover`: an error that the stored response replaces.
 * - `timeout`: an error that must not be replaced.
 * - `completion`: the missing part of a stored response.
 * - `head`: a response to HEAD.
 */
export type Kind =
  'stream' | 'not-modified' | 'confirmed' | 'unconfirmed' | 'cover' | 'timeout' | 'completion' | 'head';

export interface JudgedHead {
  readonly head: ResponseHead;
  readonly kind: Kind;
  /** Where the kind does not make it pointless. */
  readonly assessment: Assessment | undefined;
}

export class ForwardPlan {
  readonly request: RequestFacts;
  /** Fields of the request to set or remove on its way to the handler; undefined leaves the request as it is. */
  readonly changes: Readonly<Record<string, string | undefined>> | undefined;
  readonly #settings: CacheSettings;
  readonly #x: Exchange;
  readonly #stored: StoredResponse | undefined;
  readonly #isValidating: boolean;
  readonly #isCompleting: boolean;

  /**
   * @param stored the stored response, which the origin may confirm or complete, or which may replace an error
   * @param asksForWhole whether the origin does not get the client's own conditions although nothing is stored
   */
  constructor(settings: CacheSettings, exchange: Exchange, stored: StoredResponse | undefined, asksForWhole: boolean) {
    this.#settings = settings;
    this.#x = exchange;
    this.#stored = stored;
    const { served } = exchange;
    this.request = new RequestFacts(exchange, settings.clock.now());
    const isWhole = !served.isHead && served.range === undefined;
    const missing = stored === undefined || !isWhole ? undefined : missingRange(stored);
    const validators = stored === undefined || stored.part !== undefined ? undefined : validationFields(stored);
    this.#isCompleting = missing !== undefined;
    this.#isValidating = validators !== undefined;
    const hidesConditions = asksForWhole && isWhole && isConditional(served);
    if (missing === undefined && validators === undefined && !hidesConditions) return;
    this.changes = {
      // The client's own conditions are evaluated here, against the response of the origin.
      'if-none-match': undefined,
      'if-modified-since': undefined,
      ...validators,
      ...(missing && { range: `bytes=${missing.start}-${missing.end}`, 'if-range': stored?.etag }),
    };
  }

  /** Whether another response may be sent in place of that of the handler. */
  get mayHold(): boolean {
    return this.#stored !== undefined || this.changes !== undefined;
  }

  judge(head: ResponseHead): JudgedHead {
    const kind = this.#kindOf(head);
    if (kind !== 'stream' && kind !== 'completion') return { head, kind, assessment: undefined };
    const assessment = assessHead(this.#settings, this.#x, this.request, head);
    const isNotModified = kind === 'stream' && assessment.unstorable === undefined && this.#clientHas(head);
    return { head, kind: isNotModified ? 'not-modified' : kind, assessment };
  }

  /**
   * Whether a 304 answers the client's own condition, and the response that the client has could be stored: its head has
   * the same caching fields as that of the whole response (RFC 9110 §15.4.5).
   */
  hadStorable({ status, fields }: ResponseHead): boolean {
    const { served } = this.#x;
    if (status !== 304 || this.#stored !== undefined || served.isHead || !isConditional(served)) return false;
    return assessHead(this.#settings, this.#x, this.request, { status: 200, fields }).unstorable === undefined;
  }

  /** Whether the stored response may replace an error or a missing response. */
  mayCover(): boolean {
    const stored = this.#stored;
    if (stored === undefined || stored.part !== undefined) return false;
    return mayServeOnError(stored, this.#x.directives, this.#settings.clock.now());
  }

  #kindOf(head: ResponseHead): Kind {
    const stored = this.#stored;
    if (stored !== undefined) {
      if (this.#isValidating && head.status === 304) return confirms(head.fields, stored) ? 'confirmed' : 'unconfirmed';
      if (isCoveredError(head.status) && this.mayCover()) return 'cover';
      // The gateway could not reach the origin, and the stored response must not be used without it (RFC 9111
      // §5.2.2.2).
      if (head.status === 502 && stored.policy.mustRevalidate) return 'timeout';
      if (this.#isCompleting && head.status === 206) return 'completion';
    }
    return this.#x.served.isHead ? 'head' : 'stream';
  }

  /** Whether the response of the handler meets the client's own conditions, which the handler did not receive. */
  #clientHas({ status, fields }: ResponseHead): boolean {
    if (this.changes === undefined) return false;
    const { served } = this.#x;
    const { etag, 'last-modified': lastModified } = fields;
    // A date says nothing about a response without one: the handler would have sent the whole response.
    if (lastModified === undefined && served.ifNoneMatch === undefined) return false;
    const responseTime = this.#settings.clock.now();
    const date = dateOf(fields, responseTime);
    return isNotModified({ status, etag, lastModified, responseTime, date }, served);
  }
}
