/** The shapes of texts that were seen before, as those of prepared statements are, found without reading the text. */

/** A power of two. */
const SLOTS = 2_048;
/** Characters of a text by which its slot is found. */
const SAMPLES = 8;
/** Characters of the longest text that is kept, and of all of them. With more, all are forgotten. */
const LONGEST_TEXT = 65_536;
const MOST_CHARACTERS = 1_000_000;

/**
 * A hash of the length and a few characters. A `Map` would hash the whole text, which costs as much as to read it. Here a text
 * is compared with the one in its slot: with itself at once, with another up to the first difference.
 */
function sampleOf(sql: string): number {
  const { length } = sql;
  const step = Math.ceil(length / SAMPLES) || 1;
  const { imul } = Math; // looked up once, not for each character
  let hash = length;
  for (let at = length - 1; at >= 0; at -= step) hash = imul(hash ^ sql.charCodeAt(at), 0x9e37_79b1);
  return hash;
}

const slotOf = (sample: number): number => (sample >>> 16) & (SLOTS - 1);

export class TextMemo {
  readonly #texts = new Array<string | undefined>(SLOTS).fill(undefined);
  readonly #shapes = new Array<string>(SLOTS).fill('');
  /** The sample of the last text that was not found in each slot. */
  readonly #missed = new Int32Array(SLOTS);
  #characters = 0;

  get(sql: string): string | undefined {
    const slot = slotOf(sampleOf(sql));
    return this.#texts[slot] === sql ? this.#shapes[slot] : undefined;
  }

  /** Keeps a text that was not found when it comes for the second time: most of those that come once never return. */
  add(sql: string, shape: string): void {
    if (sql.length > LONGEST_TEXT) return;
    const sample = sampleOf(sql);
    const slot = slotOf(sample);
    if (this.#missed[slot] !== sample) {
      this.#missed[slot] = sample;
      return;
    }
    if (this.#characters + sql.length > MOST_CHARACTERS) this.#clear();
    this.#characters += sql.length - (this.#texts[slot]?.length ?? 0);
    this.#texts[slot] = sql;
    this.#shapes[slot] = shape;
  }

  #clear(): void {
    this.#texts.fill(undefined);
    this.#shapes.fill('');
    this.#characters = 0;
  }
}
