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
 * Traces to keep besides the sampled ones: traces with errors (default true), traces of at least `slowerThan` ms
 * (default 1000), or those for which the function returns true. `false` keeps none.
 */
export type Keep = false | KeepRule | ((trace: EndedTrace) => boolean);

/** Which traces are kept by their outcome although they were not sampled. */
export interface KeepRule {
  readonly errors?: boolean;
  readonly slowerThan?: number;
}

/** The duration in milliseconds from which a trace is slow, unless an option sets another. */
export const SLOW = 1000;

/** Resolves the option. */
export function compileKeep(keep: Keep = {}): (trace: Trace) => boolean {
  if (keep === false) return () => false;
  if (typeof keep === 'function') return (trace) => guarded(keep, trace);
  const { errors = true, slowerThan = SLOW } = keep;
  return ({ root }) => root.duration >= slowerThan || (errors && root.status !== 'success');
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
