/** The purpose of a forwarded request, and its result. */
import type { ForwardReason } from './cache-status.js';
import type { Load } from './response-saver.js';
import type { Unstorable } from './storable.js';

/** How the load of a request ends, for the requests that wait for it. */
export type LoadOutcome = 'stored' | 'pass' | 'handOver';

/** The remembered facts about a response. */
export interface AnswerFacts {
  /** Why it could not be stored, in that case. */
  readonly uncacheable?: Unstorable | undefined;
  readonly isForEveryone?: boolean;
  /** Whether it was a 304 to the client's own condition, and the response that the client has could be stored. */
  readonly hadStorable?: boolean;
  /** Milliseconds from the request to the head. */
  readonly headTime?: number;
}

/** A class, because its callbacks refer to a request: see `Exchange`. */
export class ForwardOptions {
  readonly load: Load;
  readonly reason: ForwardReason;
  /** Whether the handler does not get the client's own conditions although nothing is stored. */
  readonly asksForWhole: boolean;
  /** Called once. */
  readonly onSettled: (outcome: LoadOutcome, facts: AnswerFacts) => void;
  /** Called once the head shows that the response will be stored. */
  readonly onComing: (() => void) | undefined;

  constructor(
    load: Load,
    reason: ForwardReason,
    asksForWhole: boolean,
    onSettled: ForwardOptions['onSettled'],
    onComing: ForwardOptions['onComing'],
  ) {
    this.load = load;
    this.reason = reason;
    this.asksForWhole = asksForWhole;
    this.onSettled = onSettled;
    this.onComing = onComing;
  }
}
