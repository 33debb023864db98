/** Traces that somebody looks at: they stay readable for a while, although the store has dropped them. */
import type { Trace } from './trace.js';

/** Traces held at most. Beyond it, the traces whose time ends first are released. */
const MAX_HELD = 500;

interface Held {
  readonly segments: readonly Trace[];
  readonly until: number;
}

export class HeldTraces {
  readonly #now: () => number;
  /** In the order in which they were held last. */
  readonly #held = new Map<string, Held>();

  /** @param now milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  get(traceId: string): readonly Trace[] {
    const held = this.#held.get(traceId);
    return held === undefined || held.until < this.#now() ? [] : held.segments;
  }

  /** Holds a trace for so many milliseconds from now. */
  hold(traceId: string, segments: readonly Trace[], duration: number): void {
    const now = this.#now();
    for (const [id, { until }] of this.#held) {
      if (until >= now && this.#held.size < MAX_HELD) break;
      this.#held.delete(id);
    }
    this.#held.delete(traceId);
    this.#held.set(traceId, { segments: [...segments], until: now + duration });
  }
}
