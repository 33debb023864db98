/** The training service (3001): sessions and rounds, challenges, feedback. */
import { defineServer, runWhenMain } from './support/service.js';
import { challengeRoutes } from './training/challenge-routes.js';
import { feedbackRoutes } from './training/feedback-routes.js';
import { trainingMigrations } from './training/migrations.js';
import type { TrainingSchema } from './training/schema.js';
import { trainingRoutes } from './training/training-routes.js';

export const trainingServer = defineServer<TrainingSchema>({
  name: 'training',
  migrations: trainingMigrations,
  routes: ({ db, clock, controlToken }) => [
    trainingRoutes(db, clock, controlToken),
    challengeRoutes(db, clock),
    feedbackRoutes(db, clock),
  ],
});

runWhenMain(trainingServer);
