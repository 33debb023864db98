/** `/api/v1/feedback`: learners' feedback on their training. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import type { Clock } from '../../src/index.js';
import { learnerName, textField, topicName } from '../support/fields.js';
import { newestFirst } from '../support/paging.js';
import { created, RouteTable } from '../support/route-table.js';
import { addFeedback, listFeedback, summarizeFeedback } from './feedback-store.js';
import type { TrainingSchema } from './schema.js';
import { sessionId } from './training-routes.js';

const body = z.strictObject({
  learner: learnerName.default('default'),
  sessionId: sessionId.nullable().default(null),
  topic: topicName.nullable().default(null),
  rating: z.number().int().min(1).max(5),
  comment: textField(2000).nullable().default(null),
});

/** The routes, using this database. */
export function feedbackRoutes(db: Kysely<TrainingSchema>, clock: Clock): RouteTable {
  return new RouteTable('/api/v1/feedback')
    .post('/', { summary: 'Give feedback', body }, async ({ body }) =>
      created({ feedback: await addFeedback(db, body, clock.now()) }),
    )
    .get(
      '/',
      {
        summary: 'Feedback, newest first',
        query: z.object({ topic: topicName.optional(), learner: learnerName.optional(), ...newestFirst }),
      },
      ({ query }) => listFeedback(db, query, query.before, query.limit),
    )
    .get('/summary', { summary: 'Ratings in numbers, of all and by topic' }, async () => ({
      summary: await summarizeFeedback(db),
    }));
}
