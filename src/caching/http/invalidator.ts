/** Taking stored responses back: by address, tag or pattern, and because a request changed what they show (RFC 9111 §4.4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkValue, string } from '../../shared/options.js';
import type { TagInvalidation } from '../cache-layer.js';
import { beforeHead } from './before-head.js';
import type { CacheSettings } from './cache-settings.js';
import { toFields } from './fields.js';
import type { HitForMiss } from './hit-for-miss.js';
import { cacheGroups, groupTag, invalidates, relatedTargets } from './invalidation.js';
import { keyOf, keyPatterns, resourceOf, resourceOfUrl, type Resource } from './request-key.js';
import type { ResponseSaver } from './response-saver.js';

export class Invalidator {
  readonly #settings: CacheSettings;
  readonly #saver: ResponseSaver;
  readonly #hitForMiss: HitForMiss;

  constructor(settings: CacheSettings, saver: ResponseSaver, hitForMiss: HitForMiss) {
    this.#settings = settings;
    this.#saver = saver;
    this.#hitForMiss = hitForMiss;
  }

  /** Removes every variant of an absolute URL, or of a path on every host; how many resources were stored. */
  async purge(url: string): Promise<number> {
    checkValue('cacheResponse.purge: url', url, string);
    const { target, origin } = resourceOfUrl(url);
    if (origin === undefined) return this.invalidatePattern(target);
    const removed = await this.#removeResource({ target, origin, standIns: '' });
    return (
      (removed ? 1 : 0) +
      (await this.#removePatterns(this.#patternsOf(origin + target).filter((one) => one.endsWith('*'))))
    );
  }

  /** Removes what matches a pattern over paths (`/api/*`) or absolute URLs; `*` stands for any characters. How many stored keys matched. */
  async invalidatePattern(pattern: string): Promise<number> {
    checkValue('cacheResponse.invalidatePattern: pattern', pattern, string);
    this.#hitForMiss.clear();
    return this.#removePatterns(this.#patternsOf(pattern));
  }

  /** Invalidates what carries a tag, at the same cost however much that is. `soft`: it becomes stale instead of being removed. */
  async purgeTag(tag: string, options: TagInvalidation = {}): Promise<void> {
    this.#count();
    await this.#settings.store.invalidateTag(tag, options);
  }

  /** Purges the resource a `PURGE` request names; how many resources were stored. */
  purgeRequested(req: IncomingMessage): Promise<number> {
    return this.#removeRequested(req).then((removed) => (removed ? 1 : 0));
  }

  /**
   * Watches an unsafe request: where its answer shows that something changed, its target and what the answer names are
   * invalidated before the client can read the answer's head.
   */
  watch(req: IncomingMessage, res: ServerResponse): void {
    const method = req.method ?? '';
    beforeHead(res, (status) => {
      if (!invalidates(method, status)) return;
      this.#afterChange(req, res).catch(() => this.#settings.counts.failures++);
    });
  }

  async #afterChange(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const resource = resourceOf(req, this.#settings.isTrusted);
    const { origin, target } = resource;
    const fields = toFields(res.getHeaders());
    const related = relatedTargets(origin + target, fields).map((url): Resource => {
      const { pathname, search } = new URL(url);
      return { ...resource, target: pathname + search };
    });
    const groups = cacheGroups(fields['cache-group-invalidation']);
    // All begin at once: a layer in the process has forgotten before the head is written.
    await Promise.all([
      this.#removeRequested(req),
      ...related.map((one) => this.#removeResource(one)),
      ...groups.map((group) => this.purgeTag(groupTag(origin, group))),
    ]);
  }

  #removeRequested(req: IncomingMessage): Promise<boolean> {
    const { isTrusted, key } = this.#settings;
    const resource = resourceOf(req, isTrusted);
    return this.#removeResource(key === undefined ? resource : { ...resource, target: key(req) });
  }

  /** Whoever the client claims to be: what it changed is changed for everyone. */
  async #removeResource(resource: Resource): Promise<boolean> {
    const resources = resource.standIns === '' ? [resource] : [resource, { ...resource, standIns: '' }];
    const keys = resources.flatMap((one) => this.#methods().map((method) => keyOf(method, one)));
    this.#count();
    for (const key of keys) this.#hitForMiss.forget(key);
    const removed = await Promise.all(keys.map(async (key) => this.#settings.store.invalidate(key)));
    return removed.includes(true);
  }

  /** The methods responses are stored for: what HEAD is answered from is stored for GET. */
  #methods(): string[] {
    return [...this.#settings.methods].filter((method) => method !== 'HEAD');
  }

  #patternsOf(pattern: string): string[] {
    return this.#methods().flatMap((method) => keyPatterns(pattern, method));
  }

  async #removePatterns(patterns: readonly string[]): Promise<number> {
    this.#count();
    const removed = await Promise.all(patterns.map(async (pattern) => this.#settings.store.invalidatePattern(pattern)));
    return removed.reduce((sum, count) => sum + count, 0);
  }

  #count(): void {
    this.#settings.counts.invalidations++;
    this.#saver.invalidated();
  }
}
