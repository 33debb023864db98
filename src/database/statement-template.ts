/**
 * A statement with gaps for the values that were seen to vary; other values, such as those of a `LIMIT 10`, belong to its
 * text. A text that fits has the skeleton of the statement, and so its shape. The comparison of the parts between the
 * gaps is several times faster than reading each character.
 */
import { endOfString, skeletonOf } from './statement-skeleton.js';

/** Characters up to which a loop compares faster than a slice does. */
const COMPARED_BY_LOOP = 24;
/** With fewer characters for each gap, as in a list of numbers, the skeleton is found faster than the gaps are compared. */
const SHORTEST_PART = 9;
const QUOTE = 39;
const ZERO = 48;
const NINE = 57;

export class StatementTemplate {
  readonly skeleton: number;
  readonly shape: string;
  /** Bytes that it keeps, about. */
  readonly size: number;
  readonly #sql: string;
  readonly #codes: Uint16Array;
  /** The index of the first character of each value, and of the one after its last. */
  readonly #values: readonly number[];
  readonly #varies: Uint8Array;
  /** The same indices for each value that varies. */
  #gaps: readonly number[] = [];
  /** The part before each gap; undefined for those that are compared by a loop. */
  #longParts: ReadonlyArray<string | undefined> = [];
  #isDense = false;
  /** The part after the last gap. */
  #end = '';

  /** @param sql a statement of this skeleton and shape */
  constructor(sql: string, skeleton: number, shape: string) {
    this.skeleton = skeleton;
    this.shape = shape;
    this.#sql = sql;
    this.#codes = new Uint16Array(sql.length);
    for (let i = 0; i < sql.length; i++) this.#codes[i] = sql.charCodeAt(i);
    this.#values = valuesOf(sql);
    this.#varies = new Uint8Array(this.#values.length / 2);
    this.size = 3 * sql.length + 24 * this.#values.length;
    this.#cut();
  }

  /** Whether every text that fits is the statement itself. */
  get isText(): boolean {
    return this.#gaps.length === 0;
  }

  /** Learns from another text of the skeleton which values vary. */
  learn(sql: string): void {
    if (this.#isDense) return;
    const theirs = valuesOf(sql);
    const values = this.#values;
    if (theirs.length !== values.length) return;
    for (let i = 0; i < values.length; i += 2) {
      const value = sql.slice(theirs[i], theirs[i + 1]);
      if (value !== this.#sql.slice(values[i], values[i + 1])) this.#varies[i / 2] = 1;
    }
    this.#cut();
  }

  /**
   * Whether the text differs from the statement in nothing but the values that vary; false where that is not worth a
   * comparison. One loop without calls for the short
   * parts and values of a list.
   */
  fits(sql: string): boolean {
    if (this.#isDense) return false;
    const codes = this.#codes;
    const gaps = this.#gaps;
    const longParts = this.#longParts;
    let at = 0; // in the text
    let from = 0; // in the statement
    for (let i = 0; i < gaps.length; i += 2) {
      const gap = gaps[i]!;
      const part = longParts[i >> 1];
      if (part === undefined) {
        for (; from < gap; from++, at++) if (sql.charCodeAt(at) !== codes[from]) return false;
      } else {
        if (sql.slice(at, at + part.length) !== part) return false;
        at += part.length;
      }
      let code = sql.charCodeAt(at);
      if (codes[gap] === QUOTE) {
        if (code !== QUOTE) return false;
        at = endOfString(sql, at);
      } else {
        if (!(code >= ZERO && code <= NINE)) return false;
        do code = sql.charCodeAt(++at);
        while (code >= ZERO && code <= NINE);
      }
      from = gaps[i + 1]!;
    }
    return sql.length - at === codes.length - from && sql.endsWith(this.#end);
  }

  #cut(): void {
    this.#gaps = this.#values.filter((_, i) => this.#varies[i >> 1] === 1);
    this.#longParts = Array.from({ length: this.#gaps.length / 2 }, (_, i) => {
      const [from, to] = [i === 0 ? 0 : this.#gaps[2 * i - 1]!, this.#gaps[2 * i]!];
      return to - from > COMPARED_BY_LOOP ? this.#sql.slice(from, to) : undefined;
    });
    this.#isDense = this.#sql.length < (SHORTEST_PART * this.#gaps.length) / 2;
    this.#end = this.#sql.slice(this.#gaps.at(-1) ?? 0);
  }
}

function valuesOf(sql: string): number[] {
  const values: number[] = [];
  skeletonOf(sql, values);
  return values;
}
