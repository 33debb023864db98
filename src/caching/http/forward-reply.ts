/**
 * Sends the response to a forwarded request: a stored response, a 304, an error, or the handler's own response with
 * `Cache-Status`.
 */
import type { ResilienceError } from '../../shared/errors.js';
import { sendError } from '../../shared/problem.js';
import type { CacheSettings } from './cache-settings.js';
import type { Exchange } from './exchange.js';
import { appendCacheStatus, cacheStatus, type ForwardReason } from './cache-status.js';
import type { ResponseCapture } from './response-capture.js';
import type { ResponseHead } from './response-head.js';
import { isContentField } from './ready-fields.js';
import { sendStored } from './send-stored.js';
import type { StoredResponse } from './stored-response.js';

/** The parameters of `Cache-Status` besides the reason (RFC 9211 §2). */
export interface ForwardDetails {
  readonly stored?: boolean;
  readonly fwdStatus?: number | undefined;
  readonly detail?: string;
}

export class ForwardReply {
  readonly #settings: CacheSettings;
  readonly #x: Exchange;
  readonly #reason: ForwardReason;

  constructor(settings: CacheSettings, exchange: Exchange, reason: ForwardReason) {
    this.#settings = settings;
    this.#x = exchange;
    this.#reason = reason;
  }

  /** `Cache-Status` of the handler's own response. */
  status(head: ResponseHead, details: ForwardDetails): string {
    return appendCacheStatus(head.fields['cache-status'], this.#member(details));
  }

  /** Replaces the handler's response, which was held back. */
  sendStored(capture: ResponseCapture, stored: StoredResponse, details: ForwardDetails): void {
    capture.release();
    sendStored(this.#x.res, stored, this.#x.served, this.#member(details), this.#settings.clock.now());
  }

  /** The client already has the handler's response: the fields of the handler are sent with a 304, without a body. */
  sendNotModified(capture: ResponseCapture, head: ResponseHead, details: ForwardDetails): void {
    const { res } = this.#x;
    this.#settings.counts.misses++;
    capture.release();
    for (const name of head.removed) res.removeHeader(name);
    const replaced = new Set<string>();
    for (let i = 0; i < head.headers.length; i += 2) {
      const name = head.headers[i]!;
      const lower = name.toLowerCase();
      if (isContentField(lower)) continue;
      if (replaced.has(lower)) res.appendHeader(name, head.headers[i + 1]!);
      else res.setHeader(name, head.headers[i + 1]!);
      replaced.add(lower);
    }
    res.setHeader('Cache-Status', this.status(head, details));
    res.writeHead(304);
    res.end();
  }

  /** Replaces a response that cannot be used or is missing. */
  fail(capture: ResponseCapture, error: ResilienceError, fwdStatus?: number): void {
    capture.release();
    this.#x.res.setHeader('Cache-Status', this.#member({ fwdStatus }));
    sendError(this.#x.req, this.#x.res, error);
  }

  #member(details: ForwardDetails): string {
    const { name, exposeKey } = this.#settings;
    return cacheStatus(name, { hit: false, fwd: this.#reason, key: exposeKey ? this.#x.key : undefined, ...details });
  }
}
