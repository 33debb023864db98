/** The tables of the training service. Times are epoch milliseconds, booleans are 0 or 1, structures are JSON text. */
import type { Generated } from 'kysely';
import type { SettingsSchema } from '../support/settings-store.js';

/** A learner working on topics. */
export interface SessionRow {
  id: Generated<number>;
  learner: string;
  /** JSON: string[] */
  topics: string;
  /** JSON: the TrainingSettings at the start, with the changes the session requested. */
  settings: string;
  rounds: number;
  score_sum: number;
  started_at: number;
  last_round_at: number | null;
  ended_at: number | null;
}

/** A finished round. Rows are appended and never changed. */
export interface RoundRow {
  id: Generated<number>;
  session_id: number | null;
  attempt_id: string | null;
  learner: string;
  topic: string;
  kind: string | null;
  difficulty: number | null;
  score: number;
  /** Milliseconds since the learner's previous round of the topic; null for the first round. */
  elapsed: number | null;
  /** Probability that the topic was known just before and just after the round. */
  known_before: number;
  known_after: number;
  half_life: number;
  source: string;
  at: number;
}

export interface MasteryRow {
  learner: string;
  topic: string;
  known: number;
  half_life: number;
  rounds: number;
  score_sum: number;
  last_at: number | null;
}

export interface ChallengeRow {
  id: Generated<number>;
  topic: string;
  kind: string;
  difficulty: number;
  prompt: string;
  /** JSON: Solution */
  solution: string;
  created_at: number;
}

/** A challenge given to a learner. */
export interface AttemptRow {
  id: string;
  session_id: number | null;
  challenge_id: number | null;
  learner: string;
  topic: string;
  kind: string;
  difficulty: number;
  prompt: string;
  /** JSON: the Solution at the start of the attempt. A later change of the challenge does not change the grade. */
  solution: string;
  seed: number;
  state: string;
  score: number | null;
  opened_at: number;
  expires_at: number;
  closed_at: number | null;
}

/** A review planned for a learner. */
export interface ReviewRow {
  id: Generated<number>;
  learner: string;
  topic: string;
  due_at: number;
  planned_at: number;
  done_at: number | null;
}

export interface FeedbackRow {
  id: Generated<number>;
  learner: string;
  session_id: number | null;
  topic: string | null;
  rating: number;
  comment: string | null;
  at: number;
}

export interface TrainingSchema extends SettingsSchema {
  sessions: SessionRow;
  rounds: RoundRow;
  mastery: MasteryRow;
  challenges: ChallengeRow;
  attempts: AttemptRow;
  reviews: ReviewRow;
  feedback: FeedbackRow;
}
