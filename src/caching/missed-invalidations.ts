/**
 * Invalidations that a layer must repeat once it is reachable again. Bounded: too many become an invalidation of
 * everything.
 */
import { monotonicClock } from '../shared/clock.js';
import { clearLayer, removePattern, type Awaitable, type CacheLayer } from './cache-layer.js';
import { compilePattern, type KeyPattern } from './key-pattern.js';

type Invalidation =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'tag'; readonly tag: string; readonly soft: boolean }
  | { readonly kind: 'all' };

const LIMIT = 10_000;
const ALL = 'all';
/** Milliseconds that a synchronous layer is processed at a time, because the event loop is blocked meanwhile. */
const SLICE = 5;

export class MissedInvalidations {
  readonly #missed = new Map<string, Invalidation>();
  /** Invalidations of more than one key. Undefined: the affected keys are unknown, as with a tag. */
  readonly #wide = new Map<string, KeyPattern | undefined>();

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
    this.#wide.clear();
    this.#missed.set(ALL, { kind: 'all' });
    this.#wide.set(ALL, undefined);
  }

  /** Whether the entry of the layer under the key may be one that it should have removed. */
  covers(key: string): boolean {
    if (this.#missed.size === 0) return false;
    if (this.#missed.has(`key ${key}`)) return true;
    for (const [, invalidation] of this.#wide) if (invalidation === undefined || invalidation.matches(key)) return true;
    return false;
  }

  /**
   * Repeats the invalidations one after the other, and forgets each one when it is done. A failed one moves to the end,
   * so that it does not delay the others. A synchronous layer is processed for one slice of time; the rest stays
   * pending.
   *
   * @throws the first failure: for a synchronous layer at once, because each may have blocked, else when all were tried
   */
  replay(layer: CacheLayer): Awaitable<void> {
    const end = monotonicClock.now() + SLICE;
    for (const [id, invalidation] of this.#missed) {
      try {
        const work = apply(layer, invalidation);
        if (work instanceof Promise) return this.#replayFrom(layer, id, invalidation, work);
        this.#settle(id, invalidation);
      } catch (error) {
        this.#missed.delete(id);
        this.#missed.set(id, invalidation);
        throw error;
      }
      if (monotonicClock.now() >= end) return;
    }
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
    let end = monotonicClock.now() + SLICE;
    for (const [otherId, other] of rest) {
      await attempt(otherId, other, applyLater(layer, other));
      if (monotonicClock.now() < end) continue;
      await new Promise((resolve) => setImmediate(resolve)); // the layer may have answered at once each time
      end = monotonicClock.now() + SLICE;
    }
    if (failures.length > 0) throw failures[0];
  }

  /** If it was added again while it was in progress, it must be repeated. */
  #settle(id: string, done: Invalidation): void {
    if (this.#missed.get(id) !== done) return;
    this.#missed.delete(id);
    this.#wide.delete(id);
  }

  #add(id: string, invalidation: Invalidation): void {
    const isTooMuch = this.#missed.size >= LIMIT && !this.#missed.has(id);
    if (this.#missed.has(ALL) || isTooMuch) return this.addAll();
    this.#missed.set(id, invalidation);
    if (invalidation.kind === 'pattern') this.#wide.set(id, compilePattern(invalidation.pattern));
    else if (invalidation.kind !== 'key') this.#wide.set(id, undefined);
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
      return removePattern(layer, invalidation.pattern);
    case 'tag':
      return layer.invalidateTag(invalidation.tag, { soft: invalidation.soft });
    case 'all':
      return clearLayer(layer);
  }
}
