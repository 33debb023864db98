/** What a layer has to forget once it can be reached again. Bounded: too much of it becomes everything. */
import type { Awaitable, CacheLayer } from './cache-layer.js';

type Invalidation =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly kind: 'all' };

const LIMIT = 10_000;

export class MissedInvalidations {
  readonly #missed = new Map<string, Invalidation>();

  get isEmpty(): boolean {
    return this.#missed.size === 0;
  }

  addKey(key: string): void {
    this.#add(`key ${key}`, { kind: 'key', key });
  }

  addPattern(pattern: string): void {
    this.#add(`pattern ${pattern}`, { kind: 'pattern', pattern });
  }

  addTag(tag: string, soft: boolean): void {
    this.#add(`tag ${soft} ${tag}`, { kind: 'tag', tag, soft });
  }

  addAll(): void {
    this.#missed.clear();
    this.#missed.set('all', { kind: 'all' });
  }

  /**
   * Makes the layer forget, one after the other, each of which is forgotten here when it is done. What fails stays, and
   * holds up nothing else; a synchronous layer is caught up when this returns.
   *
   * @throws the first failure, when all were tried
   */
  replay(layer: CacheLayer): Awaitable<void> {
    const failures: unknown[] = [];
    for (const [id, invalidation] of this.#missed) {
      try {
        const work = apply(layer, invalidation);
        if (work instanceof Promise) return this.#replayFrom(layer, id, invalidation, work);
        this.#settle(id, invalidation);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #replayFrom(layer: CacheLayer, id: string, invalidation: Invalidation, first: Promise<unknown>): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async (oneId: string, one: Invalidation, work: Awaitable<unknown>): Promise<void> => {
      try {
        await work;
        this.#settle(oneId, one);
      } catch (error) {
        failures.push(error);
      }
    };
    const rest = [...this.#missed].filter(([other]) => other !== id);
    await attempt(id, invalidation, first);
    for (const [otherId, other] of rest) await attempt(otherId, other, applyLater(layer, other));
    if (failures.length > 0) throw failures[0];
  }

  /** Added again while it was being done, it has to be done again. */
  #settle(id: string, done: Invalidation): void {
    if (this.#missed.get(id) === done) this.#missed.delete(id);
  }

  #add(id: string, invalidation: Invalidation): void {
    if (this.#missed.has('all')) this.addAll();
    else if (this.#missed.size >= LIMIT && !this.#missed.has(id)) this.addAll();
    else this.#missed.set(id, invalidation);
  }
}

async function applyLater(layer: CacheLayer, invalidation: Invalidation): Promise<void> {
  await apply(layer, invalidation);
}

function apply(layer: CacheLayer, invalidation: Invalidation): Awaitable<unknown> {
  switch (invalidation.kind) {
    case 'key':
      return layer.delete(invalidation.key);
    case 'pattern':
      return layer.invalidatePattern(invalidation.pattern);
    case 'tag':
      return layer.invalidateTag(invalidation.tag, { soft: invalidation.soft });
    case 'all':
      return layer.clear();
  }
}
