/**
 * How well a learner knows a topic, and how that fades: Bayesian knowledge tracing (Corbett & Anderson 1995) with
 * partial credit, over a forgetting curve whose half-life grows with spaced success (after Settles & Meeder 2016).
 */

export interface MasteryModel {
  /** Probability that a topic is known before the first round. */
  readonly prior: number;
  /** Probability that a round teaches what was not known. */
  readonly learn: number;
  /** Probability of a right answer without knowing. `guess + slip` stays below 1, else right answers would tell nothing. */
  readonly guess: number;
  /** Probability of a wrong answer in spite of knowing. */
  readonly slip: number;
  /** Milliseconds after which half of what was learned in a first round is forgotten. */
  readonly initialHalfLife: number;
}

export interface Mastery {
  /** Probability that the topic was known right after the last round. */
  readonly known: number;
  /** Milliseconds in which what is above the prior halves. */
  readonly halfLife: number;
  /** Epoch milliseconds of the last round. */
  readonly lastAt: number;
}

const HOUR = 3_600_000;
const MIN_HALF_LIFE = HOUR;
const MAX_HALF_LIFE = 365 * 24 * HOUR;

/** The part of what was learned that is left after `elapsed` ms: 2^(−elapsed/halfLife). A clock set back forgets nothing. */
export function retention(elapsed: number, halfLife: number): number {
  return 2 ** (-Math.max(0, elapsed) / halfLife);
}

/** Probability that the topic is known at `now`. Forgetting leads back to the prior, never below what was known. */
export function recall(state: Mastery, model: MasteryModel, now: number): number {
  const floor = Math.min(state.known, model.prior);
  return floor + (state.known - floor) * retention(now - state.lastAt, state.halfLife);
}

/** Probability that the next answer is right. */
export function expectedScore(known: number, model: MasteryModel): number {
  return known * (1 - model.slip) + (1 - known) * model.guess;
}

/**
 * What is believed after a round.
 *
 * @param state what was believed before; undefined at the first round
 * @param score 0 (wrong) to 1 (right); between them both explanations count in proportion
 */
export function observe(state: Mastery | undefined, score: number, at: number, model: MasteryModel): Mastery {
  const before = state === undefined ? model.prior : recall(state, model, at);
  const evidence = score * knownIfRight(before, model) + (1 - score) * knownIfWrong(before, model);
  return {
    known: evidence + (1 - evidence) * model.learn,
    halfLife: state === undefined ? bounded(model.initialHalfLife) : nextHalfLife(state, score, at),
    lastAt: Math.max(at, state?.lastAt ?? at),
  };
}

/** Bayes' rule after a right answer. */
function knownIfRight(known: number, { slip, guess }: MasteryModel): number {
  const right = known * (1 - slip);
  return right / (right + (1 - known) * guess || 1);
}

/** Bayes' rule after a wrong answer. */
function knownIfWrong(known: number, { slip, guess }: MasteryModel): number {
  const wrong = known * slip;
  return wrong / (wrong + (1 - known) * (1 - guess) || 1);
}

/**
 * Failure halves the half-life. Success lengthens it by as much as had been forgotten, at most to double: repeating
 * what is still fresh teaches nothing that lasts (the spacing effect).
 */
function nextHalfLife({ halfLife, lastAt }: Mastery, score: number, at: number): number {
  const outcome = 2 * score - 1;
  const forgotten = 1 - retention(at - lastAt, halfLife);
  return bounded(outcome < 0 ? halfLife * 2 ** outcome : halfLife * (1 + outcome * forgotten));
}

function bounded(halfLife: number): number {
  return Math.min(MAX_HALF_LIFE, Math.max(MIN_HALF_LIFE, halfLife));
}

/** When recall of what was learned falls to `target` of it: the best moment for the next review. */
export function reviewAt(state: Mastery, target: number): number {
  return Math.round(state.lastAt - state.halfLife * Math.log2(target));
}
