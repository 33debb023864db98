/**
 * Prevents storing a response that was fetched before an invalidation. There is one fence per key, tag and pattern, so
 * that an unrelated change does not prevent storing.
 */
import { compilePattern, type KeyPattern } from '../key-pattern.js';

/** The most keys and tags remembered. The last one that was removed stands for all before it. */
const MOST_NAMES = 10_000;
const MOST_PATTERNS = 100;

export class Fence {
  #current = 0;
  /** A fetch that began before this number may have been invalidated under a name that was removed since. */
  #floor = 0;
  readonly #names = new Map<string, number>();
  #patterns: { readonly pattern: KeyPattern; readonly at: number }[] = [];

  /** The number that a fetch remembers when it begins. */
  get now(): number {
    return this.#current;
  }

  key(key: string): void {
    this.#raise(`k${key}`);
  }

  tag(tag: string): void {
    this.#raise(`t${tag}`);
  }

  pattern(source: string): void {
    this.#patterns.push({ pattern: compilePattern(source), at: ++this.#current });
    if (this.#patterns.length <= MOST_PATTERNS) return;
    this.#floor = Math.max(this.#floor, this.#patterns[0]!.at);
    this.#patterns = this.#patterns.slice(1);
  }

  /** Whether a response of this key with these tags, fetched since `began`, may be stored. */
  isOpen(key: string, tags: readonly string[], began: number): boolean {
    if (began === this.#current) return true;
    if (began < this.#floor) return false;
    if ((this.#names.get(`k${key}`) ?? 0) > began) return false;
    if (tags.some((tag) => (this.#names.get(`t${tag}`) ?? 0) > began)) return false;
    return !this.#patterns.some(({ pattern, at }) => at > began && pattern.matches(key));
  }

  #raise(name: string): void {
    this.#names.delete(name); // so that the map's order is that of the last invalidation
    this.#names.set(name, ++this.#current);
    if (this.#names.size <= MOST_NAMES) return;
    for (const [oldest, at] of this.#names) {
      this.#names.delete(oldest);
      this.#floor = Math.max(this.#floor, at);
      return;
    }
  }
}
