/**
 * Models how well a learner knows a topic and how that knowledge fades: Bayesian knowledge tracing (Corbett & Anderson
 * 1995) with partial credit. The forgetting curve has a half-life that grows with spaced success (after Settles &
 * Meeder 2016).
 */

export interface MasteryModel {
  /** Probability that a topic is known before the first round. */
  readonly prior: number;
  /** Probability that a round teaches a topic that was not known. */
  readonly learn: number;
  /**
   * Probability of a correct answer without knowledge. `guess + slip` is below 1, otherwise answers carry no evidence.
   */
  readonly guess: number;
  /** Probability of a wrong answer despite knowledge. */
  readonly slip: number;
  /** Milliseconds after which half of the knowledge from a first round is forgotten. */
  readonly initialHalfLife: number;
}

export interface Mastery {
  /** Probability that the topic was known just after the last round. */
  readonly known: number;
  /** Milliseconds in which the part above the prior halves. */
  readonly halfLife: number;
  /** Epoch milliseconds of the last round. */
  readonly lastAt: number;
}

const HOUR = 3_600_000;
const MIN_HALF_LIFE = HOUR;
const MAX_HALF_LIFE = 365 * 24 * HOUR;

/** Share of the knowledge that remains after `elapsed` ms: 2^(−elapsed/halfLife). It is 1 if the clock was set back. */
export function retention(elapsed: number, halfLife: number): number {
  return 2 ** (-Math.max(0, elapsed) / halfLife);
}

/**
 * Probability that the topic is known at `now`. It decays to the prior, but a value below the prior does not change.
 */
export function recall(state: Mastery, model: MasteryModel, now: number): number {
  const floor = Math.min(state.known, model.prior);
  return floor + (state.known - floor) * retention(now - state.lastAt, state.halfLife);
}

/** Probability that the next answer is correct. */
export function expectedScore(known: number, model: MasteryModel): number {
  return known * (1 - model.slip) + (1 - known) * model.guess;
}

/**
 * Returns the mastery after a round.
 *
 * @param state the mastery before the round; undefined before the first round
 * @param score 0 (wrong) to 1 (correct); a score in between weights both updates in proportion
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

/** Bayes' rule after a correct answer. */
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
 * A wrong answer halves the half-life. A correct answer lengthens it by the forgotten share, at most to double, because
 * repeating fresh knowledge has no lasting effect (the spacing effect). A score in between has a smaller effect.
 */
function nextHalfLife({ halfLife, lastAt }: Mastery, score: number, at: number): number {
  const outcome = 2 * score - 1;
  const forgotten = 1 - retention(at - lastAt, halfLife);
  return bounded(outcome < 0 ? halfLife * 2 ** outcome : halfLife * (1 + outcome * forgotten));
}

function bounded(halfLife: number): number {
  return Math.min(MAX_HALF_LIFE, Math.max(MIN_HALF_LIFE, halfLife));
}

/** The best time for the next review: when the retained share of the knowledge falls to `target`. */
export function reviewAt(state: Mastery, target: number): number {
  return Math.round(state.lastAt - state.halfLife * Math.log2(target));
}
