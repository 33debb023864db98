/** Remembers the shapes of statements, so that a statement of a known shape costs a fraction of making it. */
import { LRUCache } from 'lru-cache';
import { shapeKey, shapeOf, type ShapeOf } from './fingerprint.js';

/** Shapes remembered by their key. Lists of different lengths have different keys. */
const REMEMBERED_KEYS = 2_000;
/** Texts remembered as they are, because looking up a text that was seen before is faster than reading it. */
const REMEMBERED_TEXTS = 1_000;
/** Characters of the longest such text. A longer one is hashed by the look-up no faster than it is read. */
const LONGEST_TEXT = 512;
/** One in so many unknown texts is remembered: those that repeat get in, those that are new each time stay out. */
const REMEMBER_EVERY = 8;

export class StatementShapes {
  readonly #texts = new LRUCache<string, string>({ max: REMEMBERED_TEXTS });
  readonly #shapes = new LRUCache<number | string, ShapeOf>({ max: REMEMBERED_KEYS });
  #unknown = 0;

  /** As `fingerprint`. */
  of(sql: string): string {
    if (sql.length > LONGEST_TEXT) return this.#make(sql);
    const known = this.#texts.get(sql);
    if (known !== undefined) return known;
    const shape = this.#make(sql);
    if (++this.#unknown % REMEMBER_EVERY === 0) this.#texts.set(sql, shape);
    return shape;
  }

  #make(sql: string): string {
    const key = shapeKey(sql);
    if (key === undefined) return shapeOf(sql)(sql.length);
    let make = this.#shapes.get(key);
    if (make === undefined) this.#shapes.set(key, (make = shapeOf(sql)));
    return make(sql.length);
  }
}
