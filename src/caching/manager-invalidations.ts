/** Invalidations of the manager: they reach everything that depends on a name, in all layers, loads and listeners. */
import type { Awaitable } from './cache-layer.js';
import { DependencyGraph } from './dependency-graph.js';
import type { InvalidationLog } from './invalidation-log.js';
import type { KeyPattern } from './key-pattern.js';
import type { LayerStack } from './layer-stack.js';
import type { Loads } from './loads.js';
import type { LoadCounters } from './manager-stats.js';
import { PatternListeners } from './pattern-listeners.js';

/** The result of an invalidation. */
export interface Invalidated {
  /** The given name, and those that depend on it. */
  readonly names: readonly KeyPattern[];
  /** The keys that a layer held. */
  readonly removed: ReadonlySet<string>;
}

export class ManagerInvalidations {
  readonly dependencies = new DependencyGraph();
  readonly listeners = new PatternListeners('MultiLayerCacheManager.setInvalidationListener');
  readonly log: InvalidationLog;
  readonly #stack: LayerStack;
  readonly #loads: Loads;
  readonly #counters: LoadCounters;

  constructor(stack: LayerStack, loads: Loads, counters: LoadCounters, log: InvalidationLog) {
    this.#stack = stack;
    this.#loads = loads;
    this.#counters = counters;
    this.log = log;
  }

  /** Removes the keys that the name stands for, and everything that depends on them. */
  remove(name: KeyPattern, by?: string): Awaitable<Invalidated> {
    const at = this.log.now();
    const names = this.dependencies.closure(name);
    this.#counters.invalidations += names.length;
    const removals = names.map((one) => this.#removeOne(one));
    const finish = (keys: string[]): Invalidated => {
      for (const one of names) this.listeners.emit(one);
      const removed = new Set(keys);
      this.log.noteRemoval(at, name, by, removed.size);
      return { names, removed };
    };
    if (removals.length === 1 && Array.isArray(removals[0])) return finish(removals[0]);
    return Promise.all(removals.map(async (keys) => keys)).then((results) => finish(results.flat()));
  }

  async removeTagged(tag: string, soft: boolean, by?: string): Promise<void> {
    this.#counters.invalidations++;
    this.log.noteTag(tag, soft, by);
    this.#loads.outdateTagged(tag);
    await this.#stack.invalidateTag(tag, { soft });
  }

  async removeAll(): Promise<void> {
    this.#counters.invalidations++;
    this.log.noteClear();
    this.#loads.outdateMatching(() => true);
    await this.#stack.clear();
  }

  /** Removes the keys that the name stands for. Returns the removed keys. */
  #removeOne({ source, isExact, matches }: KeyPattern): Awaitable<string[]> {
    if (!isExact) {
      this.#loads.outdateMatching(matches);
      return this.#stack.invalidatePattern(source).then((keys) => [...keys]);
    }
    this.#loads.outdate(source);
    const held = this.#stack.delete(source);
    const keys = (wasHeld: boolean): string[] => (wasHeld ? [source] : []);
    return typeof held === 'boolean' ? keys(held) : held.then(keys);
  }
}
