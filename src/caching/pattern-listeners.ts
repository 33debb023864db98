/** Callbacks by the keys they are registered for. */
import { callGuarded } from '../shared/listeners.js';
import { compilePattern, overlap, type KeyPattern } from './key-pattern.js';

/**
 * Called after an invalidation.
 *
 * @param name the key that was invalidated, or the pattern
 */
export type InvalidationListener<A extends unknown[] = []> = (name: string, ...details: A) => unknown;

interface Entry<A extends unknown[]> {
  readonly pattern: KeyPattern;
  readonly callback: InvalidationListener<A>;
}

/** @typeParam A arguments that listeners receive in addition to the name */
export class PatternListeners<A extends unknown[] = []> {
  readonly #event: string;
  #entries: ReadonlyArray<Entry<A>> = [];

  /** @param event named in the warning when a callback fails */
  constructor(event: string) {
    this.#event = event;
  }

  /** Returns a function that removes it. */
  add(pattern: string, callback: InvalidationListener<A>): () => void {
    const entry: Entry<A> = { pattern: compilePattern(pattern), callback };
    this.#entries = [...this.#entries, entry];
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** Calls the callbacks with a pattern that shares a key with the name. Never throws. */
  emit(name: KeyPattern, ...details: A): void {
    for (const { pattern, callback } of this.#entries) {
      if (overlap(pattern, name)) callGuarded(this.#event, callback, name.source, ...details);
    }
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Whether some pattern shares a key with the name. */
  includes(name: KeyPattern): boolean {
    return this.#entries.some(({ pattern }) => overlap(pattern, name));
  }

  clear(): void {
    this.#entries = [];
  }
}
