/**
 * Marks of tags in a store without counters. A mark is two random words; an invalidation replaces one of them. An entry
 * with a tag stores the tag's mark, and the entry is outdated as soon as the two marks differ. This needs neither a
 * shared clock nor a counter.
 */
import { randomBytes } from 'node:crypto';
import type { TagVerdict } from './tag-generations.js';

/** `<hard> <soft>`. */
export type Mark = string;

/** Tags remembered at most; beyond it every lease given before counts as outdated. */
const MOST_TAGS = 10_000;

const word = (): string => randomBytes(9).toString('base64url');

export class KeyvMarks {
  readonly #read: (tag: string) => Promise<unknown>;
  readonly #write: (tag: string, mark: Mark) => Promise<unknown>;
  /** By tag: the count of changes made here when it was changed last. */
  readonly #changedAt = new Map<string, number>();
  /** Marks that are being looked up or made. */
  readonly #asked = new Map<string, Promise<Mark>>();
  #changes = 0;
  #forgottenAt = 0;

  constructor(read: (tag: string) => Promise<unknown>, write: (tag: string, mark: Mark) => Promise<unknown>) {
    this.#read = read;
    this.#write = write;
  }

  /** Changes made by this process until now. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether one of these tags was invalidated here since the count stood at `since`. */
  haveChanged(tags: readonly string[], since: number): boolean {
    if (tags.length > 0 && this.#forgottenAt > since) return true;
    return tags.some((tag) => (this.#changedAt.get(tag) ?? 0) > since);
  }

  /** The marks of tags; those without one get one. */
  of(tags: readonly string[]): Promise<ReadonlyArray<readonly [string, Mark]>> {
    return Promise.all(tags.map(async (tag) => [tag, await this.#markOf(tag)] as const));
  }

  /** One lookup for concurrent callers: if each made a mark, the last one would outdate what carries the others. */
  #markOf(tag: string): Promise<Mark> {
    const asked = this.#asked.get(tag);
    if (asked !== undefined) return asked;
    const mark = this.#findOrMake(tag).finally(() => this.#asked.delete(tag));
    this.#asked.set(tag, mark);
    return mark;
  }

  async #findOrMake(tag: string): Promise<Mark> {
    const known = await this.#read(tag);
    if (typeof known === 'string') return known;
    const mark = `${word()} ${word()}`;
    await this.#write(tag, mark);
    return mark;
  }

  /** Outdates everything that carries the tag. */
  async replace(tag: string, soft = false): Promise<void> {
    this.#note(tag);
    const known = soft ? await this.#read(tag) : undefined;
    const hard = typeof known === 'string' ? known.split(' ')[0]! : word();
    await this.#write(tag, `${hard} ${word()}`);
    this.#note(tag); // also for a load that began while it was written
  }

  async verdict(marks: ReadonlyArray<readonly [string, Mark]>): Promise<TagVerdict> {
    const present = await Promise.all(marks.map(([tag]) => this.#read(tag)));
    let verdict: TagVerdict = 'valid';
    for (const [i, [, mark]] of marks.entries()) {
      const now = present[i];
      if (now === mark) continue;
      if (typeof now !== 'string' || now.split(' ')[0] !== mark.split(' ')[0]) return 'gone';
      verdict = 'stale';
    }
    return verdict;
  }

  #note(tag: string): void {
    this.#changes++;
    if (this.#changedAt.size >= MOST_TAGS) {
      this.#changedAt.clear();
      this.#forgottenAt = this.#changes;
    }
    this.#changedAt.set(tag, this.#changes);
  }
}
