/** The fields of a response by which the rules of caching decide. */
import type { FieldValue } from './fields.js';
import { joinValue } from './fields.js';

/** By lowercase name, as `Fields` are. */
export interface RuleFields {
  readonly 'cache-control'?: string | undefined;
  readonly 'cdn-cache-control'?: string | undefined;
  readonly 'tooloo-cache-control'?: string | undefined;
  readonly 'cache-status'?: string | undefined;
  readonly 'content-length'?: string | undefined;
  readonly 'content-range'?: string | undefined;
  readonly date?: string | undefined;
  readonly etag?: string | undefined;
  readonly expires?: string | undefined;
  readonly 'last-modified'?: string | undefined;
  readonly 'set-cookie'?: string | undefined;
  readonly vary?: string | undefined;
}

/** These fields alone, for a response that will most likely not be stored: cheaper than all of its fields. */
export class SentRuleFields implements RuleFields {
  readonly 'cache-control': string | undefined;
  readonly 'cdn-cache-control': string | undefined;
  readonly 'tooloo-cache-control': string | undefined;
  readonly 'cache-status': string | undefined;
  readonly 'content-length': string | undefined;
  readonly 'content-range': string | undefined;
  readonly date: string | undefined;
  readonly etag: string | undefined;
  readonly expires: string | undefined;
  readonly 'last-modified': string | undefined;
  readonly 'set-cookie': string | undefined;
  readonly vary: string | undefined;

  /** @param cookies what `Set-Cookie` counts as: only the handler's own */
  constructor(head: { valueOf(lower: string): FieldValue }, cookies: string | undefined) {
    this['cache-control'] = joinValue(head.valueOf('cache-control'));
    this['cdn-cache-control'] = joinValue(head.valueOf('cdn-cache-control'));
    this['tooloo-cache-control'] = joinValue(head.valueOf('tooloo-cache-control'));
    this['cache-status'] = joinValue(head.valueOf('cache-status'));
    this['content-length'] = joinValue(head.valueOf('content-length'));
    this['content-range'] = joinValue(head.valueOf('content-range'));
    this.date = joinValue(head.valueOf('date'));
    this.etag = joinValue(head.valueOf('etag'));
    this.expires = joinValue(head.valueOf('expires'));
    this['last-modified'] = joinValue(head.valueOf('last-modified'));
    this['set-cookie'] = cookies;
    this.vary = joinValue(head.valueOf('vary'));
  }
}
