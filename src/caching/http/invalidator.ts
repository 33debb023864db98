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
import { HeadHook, type DecidedHead, type HeadListener } from './head-hook.js';
import { cacheGroups, groupTag, invalidates, relatedTargets } from './invalidation.js';
import { facetIndexKey, keyOf, keyPatterns, resourceOf, resourceOfUrl, type Resource } from './request-key.js';

/** The fields by which a response names other resources that have changed. */
interface ChangeFields extends Fields {
  readonly location: string | undefined;
  readonly 'content-location': string | undefined;
  readonly 'cache-group-invalidation': string | undefined;
}

/** Undefined if a response has none of them, as most have. */
function changeFieldsOf(head: DecidedHead): ChangeFields | undefined {
  const location = joinValue(head.valueOf('location'));
  const contentLocation = joinValue(head.valueOf('content-location'));
  const groups = joinValue(head.valueOf('cache-group-invalidation'));
  if (location === undefined && contentLocation === undefined && groups === undefined) return undefined;
  return { location, 'content-location': contentLocation, 'cache-group-invalidation': groups };
}

/** Listens for a head that shows that a request has changed something. */
class ChangeWatch implements HeadListener {
  readonly #method: string;
  readonly #onChange: (fields: ChangeFields | undefined) => void;
  #hasChanged = false;
  #fields: ChangeFields | undefined;

  constructor(method: string, onChange: (fields: ChangeFields | undefined) => void) {
    this.#method = method;
    this.#onChange = onChange;
  }

  judge(head: DecidedHead): undefined {
    this.#hasChanged = invalidates(this.#method, head.status);
    this.#fields = this.#hasChanged ? changeFieldsOf(head) : undefined;
  }

  accept(): void {
    if (this.#hasChanged) this.#onChange(this.#fields);
  }
}

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
  watch(req: IncomingMessage, res: ServerResponse, resource: Resource): void {
    const requested = this.#requestedOf(req, resource);
    const onChange = (fields: ChangeFields | undefined): void => {
      this.#afterChange(resource, requested, fields).catch(() => this.#settings.counts.failures++);
    };
    new HeadHook(res, new ChangeWatch(req.method ?? '', onChange));
  }

  #afterChange(resource: Resource, requested: Resource, fields: ChangeFields | undefined): Promise<unknown> {
    const target = this.#removeResource(requested);
    if (fields === undefined) return target;
    if (fields['content-location'] !== undefined) this.#expectPosts(requested);
    const { origin } = resource;
    const related = relatedTargets(origin + resource.target, fields).map((url): Resource => {
      const { pathname, search } = new URL(url);
      return { ...resource, target: pathname + search };
    });
    const groups = cacheGroups(fields['cache-group-invalidation']);
    // All begin at once: a layer in the process has removed its entries before the head is written.
    return Promise.all([
      target,
      ...related.map((one) => this.#removeResource(one)),
      ...groups.map((group) => this.purgeTag(groupTag(origin, group))),
    ]);
  }

  /** The next response to a POST may be stored. */
  #expectPosts(resource: Resource): void {
    const answers = this.#memory.find(keyOf('GET', resource));
    if (answers !== undefined) answers.postsPass = false;
  }

  /** The resource of a GET for the same address. */
  #requested(req: IncomingMessage): Resource | undefined {
    const resource = resourceOf(req, this.#settings.isTrusted);
    return resource && this.#requestedOf(req, resource);
  }

  /**
   * The key function of the application receives the request as if it were a GET, because the key of a POST covers its
   * content.
   */
  #requestedOf(req: IncomingMessage, resource: Resource): Resource {
    if (this.#settings.key === undefined) return resource;
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
