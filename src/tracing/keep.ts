/** Decides which traces are kept although their id was not sampled: those that are useful for debugging. */
import { messageOf } from '../shared/errors.js';
import type { Trace } from './trace.js';

/** What the decision can be based on. */
export interface EndedTrace {
  readonly traceId: string;
  readonly operation: string;
  readonly status: string;
  /** Milliseconds. */
  readonly duration: number;
  readonly sampled: boolean;
}

/**
 * Traces to keep besides the sampled ones: traces with errors (default true) and traces of at least `slowerThan` ms
 * (default 1000), at most `maxPerSecond` of them (default 100). Or those for which the function returns true. `false` keeps
 * none.
 */
export type Keep = false | KeepRule | ((trace: EndedTrace) => boolean);

/** Which traces are kept by their outcome although they were not sampled. */
export interface KeepRule {
  readonly errors?: boolean;
  readonly slowerThan?: number;
  /**
   * The most traces kept per second that are not sampled: the first of each second. It bounds the price of a flood of
   * errors, because a refused request must cost less than an answered one.
   */
  readonly maxPerSecond?: number;
}

/** The duration in milliseconds from which a trace is slow, unless an option sets another. */
export const SLOW = 1000;

const MAX_PER_SECOND = 100;

/** Decides at the end of each trace whether it is kept for its outcome. */
export interface Keeper {
  /** Whether one that is not sampled may be kept now. */
  readonly mayKeep: boolean;
  keeps(trace: Trace): boolean;
}

/**
 * Resolves the option.
 *
 * @param now milliseconds
 */
export function compileKeep(keep: Keep = {}, now: () => number): Keeper {
  if (keep === false) return { mayKeep: false, keeps: () => false };
  if (typeof keep === 'function') return { mayKeep: true, keeps: (trace) => guarded(keep, trace) };
  return new RuleKeeper(keep, now);
}

class RuleKeeper implements Keeper {
  readonly #rule: Required<KeepRule>;
  readonly #now: () => number;
  /** The second that `#kept` counts in. */
  #second = -Infinity;
  #kept = 0;

  constructor({ errors = true, slowerThan = SLOW, maxPerSecond = MAX_PER_SECOND }: KeepRule, now: () => number) {
    this.#rule = { errors, slowerThan, maxPerSecond };
    this.#now = now;
  }

  get mayKeep(): boolean {
    const second = Math.floor(this.#now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#kept = 0;
    }
    return this.#kept < this.#rule.maxPerSecond;
  }

  /** A sampled trace is kept in any case, so that it does not count. */
  keeps({ root, sampled }: Trace): boolean {
    const { errors, slowerThan } = this.#rule;
    const isNotable = root.duration >= slowerThan || (errors && root.status !== 'success');
    if (!isNotable || sampled) return isNotable;
    if (!this.mayKeep) return false;
    this.#kept++;
    return true;
  }
}

function guarded(keep: (trace: EndedTrace) => boolean, trace: Trace): boolean {
  const { operation, status, duration } = trace.root;
  try {
    return keep({ traceId: trace.traceId, operation, status, duration, sampled: trace.sampled }) === true;
  } catch (error) {
    process.emitWarning(`trace: option 'keep' threw: ${messageOf(error)}`, { code: 'TOOLOO_KEEP_FAILED' });
    return false;
  }
}
