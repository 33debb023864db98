/**
 * Learns from shrinking that was undone. A load that swings around the edge of a number of instances would otherwise add and
 * remove the same instance again and again.
 */
import type { LoadRule } from './policy.js';

/** Milliseconds in which a growth by what was taken away counts as undoing it. */
const UNDONE_WITHIN = 2 * 3_600_000;
/** By which share the load must be lower for each shrinking that was undone, and at most. */
const STEP = 0.03;
const MOST = 0.06;

export class ShrinkMargin {
  #margin = 0;
  /** The last shrinking that was not yet undone and has not yet lasted. */
  #last: { readonly from: number; readonly at: number } | undefined;

  /** Takes a change of the number of instances. */
  changed(from: number, to: number, now: number): void {
    this.#settle(now);
    if (to < from) this.#last = { from, at: now };
    else if (this.#last !== undefined) {
      // A growth beyond what was taken away is a load of its own, such as the next batch.
      if (to <= this.#last.from) this.#margin = Math.min(MOST, this.#margin + STEP);
      this.#last = undefined;
    }
  }

  /** The rule whose service shrinks below a load that is lower by the margin. */
  ease(rule: LoadRule, now: number): LoadRule {
    this.#settle(now);
    return this.#margin === 0 ? rule : { ...rule, down: rule.down * (1 - this.#margin) };
  }

  /** A shrinking that has lasted makes the next one easier. */
  #settle(now: number): void {
    if (this.#last === undefined || now - this.#last.at < UNDONE_WITHIN) return;
    this.#margin = Math.max(0, this.#margin - STEP);
    this.#last = undefined;
  }
}
