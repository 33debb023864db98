/** One coaching step: settle the previous round, open the next one, and set the time of the next check. */
import { messageOf, ResilienceError } from '../../src/index.js';
import type { Outcome, Run } from './run-store.js';
import type { TrainingClient } from './training-client.js';

const FAST_INTERVAL = 1000;

/** Milliseconds until the next check. It doubles with each consecutive round that the learner let lapse. */
export function pauseOf(
  run: { readonly interval: number; readonly fastLeft: number },
  lapsedInRow: number,
  maxInterval: number,
): number {
  if (run.fastLeft > 0 && lapsedInRow === 0) return Math.min(FAST_INTERVAL, run.interval);
  return Math.min(Math.max(run.interval, maxInterval), run.interval * 2 ** lapsedInRow);
}

/** Probability that a rehearsal answers correctly: a quarter at first, and more with each round, as with a learner. */
export function rehearsalSkill(answered: number): number {
  return 1 - 0.75 * Math.exp(-answered / 20);
}

export interface StepOptions {
  readonly training: TrainingClient;
  readonly maxInterval: number;
  readonly now: number;
  /** A number in [0, 1) that decides the answer of a rehearsal. */
  readonly chance: number;
  readonly signal: AbortSignal;
}

export interface StepResult {
  readonly outcome: Outcome;
  /** The failure of the training service; undefined if the step succeeded. */
  readonly failure?: ResilienceError;
}

/** Takes the step. If it fails part-way, the completed part is kept, so that nothing is done twice. */
export async function takeStep(run: Run, options: StepOptions): Promise<StepResult> {
  const made: Mutable<Outcome> = {
    sessionId: run.sessionId,
    attemptId: run.attemptId,
    nextAt: options.now,
    opened: 0,
    answered: 0,
    lapsed: 0,
    score: 0,
    lapsedInRow: run.lapsedInRow,
    stopped: false,
    error: null,
  };
  let failure: ResilienceError | undefined;
  try {
    await (run.state === 'stopping' ? finish(made, options) : coach(run, made, options));
  } catch (error) {
    failure = ResilienceError.is(error) ? error : new ResilienceError('INTERNAL', messageOf(error), { cause: error });
    made.error = `${failure.code}: ${failure.message}`;
    forgetWhatIsGone(made, failure);
  }
  made.nextAt = options.now + pauseOf(run, made.lapsedInRow, options.maxInterval);
  return failure === undefined ? { outcome: made } : { outcome: made, failure };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function finish(made: Mutable<Outcome>, options: StepOptions): Promise<void> {
  const { training, signal } = options;
  if (made.attemptId !== null) await settle(made, made.attemptId, options);
  if (made.sessionId !== null) await training.finishSession(made.sessionId, signal);
  made.sessionId = null;
  made.attemptId = null; // an open round ends with its session
  made.stopped = true;
}

async function coach(run: Run, made: Mutable<Outcome>, options: StepOptions): Promise<void> {
  const { training, signal } = options;
  if (made.attemptId !== null && !(await settle(made, made.attemptId, options))) return;
  made.sessionId ??= await training.startSession(run.learner, run.topics, signal);
  const topic = run.boost.left > 0 ? (run.boost.topic ?? undefined) : undefined;
  const attempt = await training.openRound(made.sessionId, topic, signal);
  made.attemptId = attempt.id;
  made.opened = 1;
  if (run.mode === 'learner') return;
  const score = options.chance < rehearsalSkill(run.answered + made.answered) ? 1 : 0;
  await training.rehearse(made.sessionId, attempt.id, score, signal);
}

/** Counts the previous round once it is over. Returns false while it is still open for the learner. */
async function settle(made: Mutable<Outcome>, id: string, { training, signal }: StepOptions): Promise<boolean> {
  const { state, score } = await training.attempt(id, signal);
  if (state === 'open') return false;
  made.attemptId = null;
  if (state === 'graded') {
    made.answered = 1;
    made.score = score ?? 0;
    made.lapsedInRow = 0;
  } else {
    made.lapsed = 1;
    made.lapsedInRow++;
  }
  return true;
}

/** A session that ended elsewhere, or that the training service lost, is replaced by a new one in the next step. */
function forgetWhatIsGone(made: Mutable<Outcome>, { code }: ResilienceError): void {
  if (code !== 'NOT_FOUND' && code !== 'CONFLICT') return;
  made.sessionId = null;
  made.attemptId = null;
}
