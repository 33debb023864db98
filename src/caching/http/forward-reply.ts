/** Answering the client of a forwarded request: what was stored, a 304, an error, or the handler's own answer with a word on its caching. */
import type { ResilienceError } from '../../shared/errors.js';
import { sendError } from '../../shared/problem.js';
import type { CacheSettings, Exchange } from './cache-settings.js';
import { appendCacheStatus, cacheStatus, type ForwardReason } from './cache-status.js';
import type { ResponseCapture, ResponseHead } from './response-capture.js';
import { isContentField, sendStored } from './send-stored.js';
import type { StoredResponse } from './stored-response.js';

/** What `Cache-Status` tells beside the reason (RFC 9211 §2). */
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

  /** Adds `Cache-Status` to the handler's own answer, before its head is written. */
  announce(head: ResponseHead, details: ForwardDetails): void {
    this.#settings.counts.misses++;
    this.#x.res.setHeader('Cache-Status', this.#status(head, details));
  }

  /** In the place of the handler's answer, which was held back. */
  sendStored(capture: ResponseCapture, stored: StoredResponse, details: ForwardDetails): void {
    capture.release();
    sendStored(this.#x.res, stored, this.#x.served, this.#member(details), this.#settings.clock.now());
  }

  /** The client has what the handler answered: the handler's fields go out as a 304, without its body. */
  sendNotModified(capture: ResponseCapture, head: ResponseHead, details: ForwardDetails): void {
    const { res } = this.#x;
    this.#settings.counts.misses++;
    capture.release();
    const replaced = new Set<string>();
    for (let i = 0; i < head.headers.length; i += 2) {
      const name = head.headers[i]!;
      const lower = name.toLowerCase();
      if (isContentField(lower)) continue;
      if (replaced.has(lower)) res.appendHeader(name, head.headers[i + 1]!);
      else res.setHeader(name, head.headers[i + 1]!);
      replaced.add(lower);
    }
    res.setHeader('Cache-Status', this.#status(head, details));
    res.writeHead(304);
    res.end();
  }

  /** In the place of an answer that cannot be used, or of none. */
  fail(capture: ResponseCapture, error: ResilienceError, fwdStatus?: number): void {
    capture.release();
    this.#x.res.setHeader('Cache-Status', this.#member({ fwdStatus }));
    sendError(this.#x.req, this.#x.res, error);
  }

  #status(head: ResponseHead, details: ForwardDetails): string {
    return appendCacheStatus(head.fields['cache-status'], this.#member(details));
  }

  #member(details: ForwardDetails): string {
    const { name, exposeKey } = this.#settings;
    return cacheStatus(name, { hit: false, fwd: this.#reason, key: exposeKey ? this.#x.key : undefined, ...details });
  }
}
