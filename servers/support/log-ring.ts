/** The latest lines within a number of lines and of characters. */
import type { StoredLine } from './log-tail.js';

export interface RingBounds {
  readonly lines: number;
  readonly characters: number;
}

export class LogRing {
  readonly #bounds: RingBounds;
  readonly #lines: StoredLine[] = [];
  #characters = 0;
  #droppedBefore: number | undefined;

  /** @param bounds the characters must be enough for the longest line */
  constructor(bounds: RingBounds) {
    this.#bounds = bounds;
  }

  /** Oldest first. */
  get lines(): readonly StoredLine[] {
    return this.#lines;
  }

  /** Time of the latest dropped line, in epoch milliseconds; undefined if none was dropped. */
  get droppedBefore(): number | undefined {
    return this.#droppedBefore;
  }

  add(line: StoredLine): void {
    this.#lines.push(line);
    this.#characters += line.line.length;
    while (this.#lines.length > this.#bounds.lines || this.#characters > this.#bounds.characters) {
      const { line: text, at } = this.#lines.shift()!;
      this.#characters -= text.length;
      this.#droppedBefore = Math.max(at, this.#droppedBefore ?? at);
    }
  }
}
