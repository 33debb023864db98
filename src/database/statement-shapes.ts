/**
 * Remembers the shapes of statements, so that a statement of a known shape costs a fraction of making it. The fastest way
 * is tried first: the text itself, then the text with other values, then its skeleton.
 */
import { LRUCache } from 'lru-cache';
import { isReadWhole, shapeKey, shapeOf, type ShapeOf } from './fingerprint.js';
import { TemplateTable } from './template-table.js';
import { TextMemo } from './text-memo.js';

/** Shapes remembered by their key. Lists of different lengths have different keys. */
const REMEMBERED_KEYS = 2_000;

export class StatementShapes {
  readonly #texts = new TextMemo();
  readonly #templates = new TemplateTable();
  readonly #shapes = new LRUCache<number | string, ShapeOf>({ max: REMEMBERED_KEYS });

  /** As `fingerprint`. */
  of(sql: string): string {
    return this.known(sql) ?? this.read(sql);
  }

  /** The shape of a text that was seen before, found without reading it. */
  known(sql: string): string | undefined {
    return this.#texts.get(sql);
  }

  /** The shape of a text that is not known. */
  read(sql: string): string {
    const template = isReadWhole(sql) ? this.#templates.find(sql) : undefined;
    if (template !== undefined && !template.isText) return template.shape; // its next text has other values
    const shape = template?.shape ?? this.#make(sql);
    this.#texts.add(sql, shape);
    return shape;
  }

  #make(sql: string): string {
    const key = shapeKey(sql);
    if (key === undefined) return shapeOf(sql)(sql.length);
    const known = this.#shapes.get(key);
    const make = known ?? shapeOf(sql);
    const shape = make(sql.length);
    if (known === undefined) this.#shapes.set(key, make);
    else if (typeof key === 'number') this.#templates.learn(sql, key, shape);
    return shape;
  }
}
