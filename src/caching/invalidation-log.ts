/** The last invalidations of a cache: what, when, on whose word. Bounded. */
import type { InvalidationKind } from './coordination/messages.js';
import { shownKey } from './shown-key.js';

/** Who asks for an invalidation. */
export interface InvalidationOptions {
  /** Shown by `recentInvalidations`: a service, a person. Default: this process. */
  readonly by?: string;
}

/** One invalidation of this cache. */
export interface RecentInvalidation {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: InvalidationKind;
  readonly name: string;
  /** Of a tag: what carries it became stale and is not gone. */
  readonly soft: boolean;
  readonly by: string | undefined;
  /** Entries that were there; undefined of a tag, which nobody counts. */
  readonly removed: number | undefined;
}

const KEPT = 100;

export class InvalidationLog {
  readonly #entries: RecentInvalidation[] = [];

  /** Every write of a client takes back what may be stored of its target: where nothing was, nothing is told. */
  note(entry: RecentInvalidation): void {
    if (entry.removed === 0 && entry.by === undefined) return;
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries.shift();
  }

  /** The latest first. */
  recent(limit: number, isHidden: boolean): RecentInvalidation[] {
    return this.#entries
      .slice(-limit)
      .reverse()
      .map((entry) => ({ ...entry, name: shownKey(entry.name, isHidden) }));
  }
}
