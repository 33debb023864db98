/** The templates of recent statements, found by how a text begins. */
import { StatementTemplate } from './statement-template.js';

/** Sets of templates, each for the texts with one beginning. A power of two. */
const SETS = 512;
/** Templates of one set: statements begin alike, and lists of different lengths differ. */
const SET_SIZE = 4;
/** Characters of the beginning. */
const BEGINNING = 24;
/** Bytes that all templates may keep. With more, all are forgotten, which is cheaper than to find the oldest. */
const MOST_BYTES = 4_000_000;
/** One in so many texts of a known skeleton becomes a template: those that repeat get in, one-off texts stay out. */
const LEARN_EVERY = 4;

const QUOTE = 39;

/** The set of a text, by its beginning up to the first digit or quote, where a value may begin. */
function setOf(sql: string): number {
  const end = Math.min(BEGINNING, sql.length);
  const { imul } = Math; // looked up once, not for each character
  let hash = 0;
  for (let at = 0; at < end; at++) {
    const code = sql.charCodeAt(at);
    if (code === QUOTE || (code >= 48 && code <= 57)) break;
    hash = imul(hash ^ code, 0x9e37_79b1);
  }
  return (hash >>> 16) & (SETS - 1);
}

export class TemplateTable {
  readonly #sets = new Array<StatementTemplate[] | undefined>(SETS).fill(undefined);
  #bytes = 0;
  #unknown = 0;

  /** The template of a text that differs from a known statement only in values that vary. */
  find(sql: string): StatementTemplate | undefined {
    const set = this.#sets[setOf(sql)];
    if (set === undefined) return undefined;
    for (let i = 0; i < set.length; i++) {
      const template = set[i]!;
      if (!template.fits(sql)) continue;
      if (i > 0) [set[i - 1], set[i]] = [template, set[i - 1]!]; // those that are asked for most come first
      return template;
    }
    return undefined;
  }

  /** Learns from a text that was not found, of a skeleton and shape that were seen before. */
  learn(sql: string, skeleton: number, shape: string): void {
    const known = this.#sets[setOf(sql)]?.find((template) => template.skeleton === skeleton);
    if (known !== undefined) known.learn(sql);
    else if (++this.#unknown % LEARN_EVERY === 0) this.#add(new StatementTemplate(sql, skeleton, shape), sql);
  }

  #add(template: StatementTemplate, sql: string): void {
    if (this.#bytes + template.size > MOST_BYTES) this.#clear();
    const set = (this.#sets[setOf(sql)] ??= []);
    if (set.length === SET_SIZE) this.#bytes -= set.pop()!.size;
    set.unshift(template);
    this.#bytes += template.size;
  }

  #clear(): void {
    this.#sets.fill(undefined);
    this.#bytes = 0;
  }
}
