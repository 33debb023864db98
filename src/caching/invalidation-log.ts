/** The last invalidations of a cache: name, time and origin. Bounded. */
import type { Clock } from '../shared/clock.js';
import type { InvalidationKind } from './coordination/messages.js';
import type { KeyPattern } from './key-pattern.js';
import { shownKey } from './shown-key.js';

/** The origin of an invalidation. */
export interface InvalidationOptions {
  /** Shown by `recentInvalidations`: a service or a person. Default: this process. */
  readonly by?: string;
}

/** One invalidation of this cache. */
export interface RecentInvalidation {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: InvalidationKind;
  readonly name: string;
  /** For a tag: entries with it became stale and were not removed. */
  readonly soft: boolean;
  readonly by: string | undefined;
  /** Number of entries that were removed; undefined for a tag, because tagged entries are not counted. */
  readonly removed: number | undefined;
}

const KEPT = 100;

export class InvalidationLog {
  readonly #entries: RecentInvalidation[] = [];
  readonly #clock: Clock;

  /** @param clock wall time */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time to record for an invalidation that begins now. */
  now(): number {
    return this.#clock.now();
  }

  noteTag(name: string, soft: boolean, by: string | undefined): void {
    this.#add({ at: this.now(), kind: 'tag', name, soft, by, removed: undefined });
  }

  noteClear(): void {
    this.#add({ at: this.now(), kind: 'pattern', name: '*', soft: false, by: undefined, removed: undefined });
  }

  /**
   * Every unsafe request of a client invalidates its target: such an invalidation is recorded only if it removed an
   * entry.
   *
   * @param at when it began
   */
  noteRemoval(at: number, { isExact, source }: KeyPattern, by: string | undefined, removed: number): void {
    if (removed === 0 && by === undefined) return;
    this.#add({ at, kind: isExact ? 'key' : 'pattern', name: source, soft: false, by, removed });
  }

  /** The newest first. */
  recent(limit: number, isHidden: boolean): RecentInvalidation[] {
    return this.#entries
      .slice(-limit)
      .reverse()
      .map((entry) => ({ ...entry, name: shownKey(entry.name, isHidden) }));
  }

  #add(entry: RecentInvalidation): void {
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
  }
}
