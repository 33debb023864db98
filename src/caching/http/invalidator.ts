/** Removes stored responses: by address, tag or pattern, and because a request changed the resource (RFC 9111 §4.4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkValue, string } from '../../shared/options.js';
import { viewOf } from '../../shared/request-view.js';
import type { TagInvalidation } from '../cache-layer.js';
import type { AnswerMemory } from './answer-memory.js';
import type { CacheSettings } from './cache-settings.js';
import { targetOf } from './exchange.js';
import type { Fence } from './fence.js';
import { joinValue, type Fields } from './fields.js';
import { HeadHook } from './head-hook.js';
import { cacheGroups, groupTag, invalidates, relatedTargets } from './invalidation.js';
import { facetIndexKey, keyOf, keyPatterns, resourceOf, resourceOfUrl, type Resource } from './request-key.js';

export class Invalidator {
  readonly #settings: CacheSettings;
  readonly #fence: Fence;
  readonly #memory: AnswerMemory;
  /** Caches behind this one, with their own copies of its responses. */
  readonly #inner = new Set<Invalidator>();

  constructor(settings: CacheSettings, fence: Fence, memory: AnswerMemory) {
    this.#settings = settings;
    this.#fence = fence;
    this.#memory = memory;
  }

  /** Applies every purge of this cache to that cache as well. A change by a request reaches both without this. */
  addInner(inner: Invalidator): void {
    this.#inner.add(inner);
  }

  /** Removes every variant of an absolute URL, or of a path on every host. Returns the number of stored resources. */
  async purge(url: string): Promise<number> {
    checkValue('cacheResponse.purge: url', url, string);
    const inner = this.#inInner((one) => one.purge(url));
    const { target, origin } = resourceOfUrl(url);
    if (origin === undefined) return (await this.#removePatterns(this.#patternsOf(target))) + (await inner);
    const { wasStored } = await this.#removeResource({ target, origin });
    const patterns = this.#patternsOf(origin + target).filter((one) => one.endsWith('*'));
    return (wasStored ? 1 : 0) + (await this.#removePatterns(patterns)) + (await inner);
  }

  /**
   * Removes the responses that match a pattern over paths (`/api/*`) or absolute URLs; `*` stands for any characters.
   * Returns the number of matching stored keys.
   */
  async invalidatePattern(pattern: string): Promise<number> {
    checkValue('cacheResponse.invalidatePattern: pattern', pattern, string);
    const inner = this.#inInner((one) => one.invalidatePattern(pattern));
    this.#memory.clear();
    return (await this.#removePatterns(this.#patternsOf(pattern))) + (await inner);
  }

  /**
   * Invalidates the responses with a tag, at a cost independent of their number. `soft`: they become stale and are not
   * removed.
   */
  async purgeTag(tag: string, options: TagInvalidation = {}): Promise<void> {
    this.#settings.counts.invalidations++;
    this.#fence.tag(tag);
    await Promise.all([
      this.#settings.store.invalidateTag(tag, options),
      ...[...this.#inner].map((one) => one.purgeTag(tag, options)),
    ]);
  }

  /** Purges the resource that a `PURGE` request names. Returns the number of stored resources. */
  async purgeRequested(req: IncomingMessage): Promise<number> {
    const resource = this.#requested(req);
    if (resource === undefined) return 0;
    const inner = this.#inInner((one) => one.purgeRequested(req));
    const { wasStored, hadFacets } = await this.#removeResource(resource);
    return (wasStored || hadFacets ? 1 : 0) + (await inner);
  }

  /**
   * Watches an unsafe request. If its response is not an error, its target and the resources that the response names are
   * invalidated before the client can read the response's head.
   */
  watch(req: IncomingMessage, res: ServerResponse): void {
    const method = req.method ?? '';
    const resource = resourceOf(req, this.#settings.isTrusted);
    const requested = this.#requested(req);
    if (resource === undefined || requested === undefined) return;
    let fields: Fields | undefined;
    new HeadHook(res, {
      judge: (head) => {
        fields = undefined;
        if (!invalidates(method, head.status)) return undefined;
        const value = (name: string): string | undefined => joinValue(head.fields.find(name)?.value);
        const names = ['location', 'content-location', 'cache-group-invalidation'];
        fields = Object.fromEntries(names.map((name) => [name, value(name)]));
        return undefined;
      },
      accept: () => {
        if (fields === undefined) return;
        this.#afterChange(resource, requested, fields).catch(() => this.#settings.counts.failures++);
      },
    });
  }

  async #afterChange(resource: Resource, requested: Resource, fields: Fields): Promise<void> {
    const { origin, target } = resource;
    const related = relatedTargets(origin + target, fields).map((url): Resource => {
      const { pathname, search } = new URL(url);
      return { ...resource, target: pathname + search };
    });
    const groups = cacheGroups(fields['cache-group-invalidation']);
    // All begin at once: a layer in the process has removed its entries before the head is written.
    await Promise.all([
      this.#removeResource(requested),
      ...related.map((one) => this.#removeResource(one)),
      ...groups.map((group) => this.purgeTag(groupTag(origin, group))),
    ]);
  }

  /**
   * The resource of a GET for the same address. The key function of the application receives the request as if it were
   * that GET, because the key of a POST covers its content.
   */
  #requested(req: IncomingMessage): Resource | undefined {
    const resource = resourceOf(req, this.#settings.isTrusted);
    if (resource === undefined || this.#settings.key === undefined) return resource;
    // `body` is a property that parsers of bodies add.
    const get = viewOf<IncomingMessage & { body?: unknown }>(req, { method: 'GET', body: undefined });
    const target = targetOf(this.#settings, get);
    return target === undefined ? resource : { ...resource, target };
  }

  /** Removes the copies for everyone: all users, and everything else that separates copies. */
  async #removeResource(
    resource: Pick<Resource, 'target' | 'origin'>,
  ): Promise<{ wasStored: boolean; hadFacets: boolean }> {
    this.#settings.counts.invalidations++;
    const key = keyOf('GET', resource);
    this.#fence.key(key);
    this.#memory.find(key)?.markStorable();
    const { store } = this.#settings;
    const [wasStored, hadFacets] = await Promise.all([store.invalidate(key), store.invalidate(facetIndexKey(key))]);
    return { wasStored, hadFacets };
  }

  async #inInner(remove: (one: Invalidator) => Promise<number>): Promise<number> {
    const counts = await Promise.all([...this.#inner].map(remove));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The methods that responses are stored for. HEAD is answered from responses stored for GET. */
  #methods(): string[] {
    return [...this.#settings.methods].filter((method) => method !== 'HEAD');
  }

  #patternsOf(pattern: string): string[] {
    return this.#methods().flatMap((method) => keyPatterns(pattern, method));
  }

  async #removePatterns(patterns: readonly string[]): Promise<number> {
    this.#settings.counts.invalidations++;
    for (const pattern of patterns) this.#fence.pattern(pattern);
    const removed = await Promise.all(patterns.map(async (pattern) => this.#settings.store.invalidatePattern(pattern)));
    return removed.reduce((sum, count) => sum + count, 0);
  }
}
