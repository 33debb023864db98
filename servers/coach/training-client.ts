/** The coach's requests to the training service. */
import type { AxiosInstance } from 'axios';
import * as z from 'zod';
import { answerOf } from '../support/peer-answer.js';

const session = z.object({ session: z.object({ id: z.number() }) });
const attempt = z.object({
  attempt: z.object({ id: z.string(), state: z.enum(['open', 'graded', 'expired']), score: z.number().nullable() }),
});
export type Attempt = z.output<typeof attempt>['attempt'];
const progress = z.object({ progress: z.array(z.object({ topic: z.string(), known: z.number() })) });

export type TrainingClient = ReturnType<typeof trainingClient>;

export function trainingClient(http: AxiosInstance) {
  return {
    async startSession(learner: string, topics: readonly string[], signal: AbortSignal): Promise<number> {
      const body = { learner, topics };
      const answer = await answerOf('training', session, http.post('/api/v1/training/start', body, { signal }));
      return answer.session.id;
    },

    async finishSession(sessionId: number, signal: AbortSignal): Promise<void> {
      await answerOf('training', session, http.post('/api/v1/training/finish', { sessionId }, { signal }));
    },

    /** Opens the learner's next round, for the given topic or for the topic with the least knowledge. */
    async openRound(sessionId: number, topic: string | undefined, signal: AbortSignal): Promise<Attempt> {
      const body = { sessionId, topic };
      const answer = await answerOf('training', attempt, http.post('/api/v1/training/round', body, { signal }));
      return answer.attempt;
    },

    async attempt(id: string, signal: AbortSignal): Promise<Attempt> {
      const answer = await answerOf('training', attempt, http.get(`/api/v1/challenges/attempts/${id}`, { signal }));
      return answer.attempt;
    },

    /** Answers a round with a score from the coach. Its `source` separates such rounds in all reports. */
    async rehearse(sessionId: number, attemptId: string, score: number, signal: AbortSignal): Promise<void> {
      const body = { sessionId, attemptId, score, source: 'rehearsal' };
      await answerOf('training', attempt, http.post('/api/v1/training/round', body, { signal }));
    },

    /** The topics, least known first. A topic that was never practised comes first. */
    async leastKnown(learner: string, topics: readonly string[]): Promise<readonly string[]> {
      const params = { learner, limit: 200 };
      const answer = await answerOf('training', progress, http.get('/api/v1/training/progress', { params }));
      const known = new Map(answer.progress.map((one) => [one.topic, one.known]));
      return [...topics].sort((a, b) => (known.get(a) ?? 0) - (known.get(b) ?? 0));
    },
  };
}
