/** The coach (3004): gives learners their rounds at the training service automatically. */
import { coachRoutes } from './coach/coach-routes.js';
import { startDriver } from './coach/driver.js';
import { coachMigrations, type CoachSchema } from './coach/schema.js';
import { defineServer, runWhenMain } from './support/service.js';

export const coachServer = defineServer<CoachSchema>({
  name: 'coach',
  migrations: coachMigrations,
  routes: (context) => {
    const { db, clock, log, controlToken } = context;
    const training = context.client('training');
    const driver = startDriver({ db, training, clock, log });
    return { routes: [coachRoutes({ db, training, driver, clock, controlToken })], close: () => driver.close() };
  },
});

runWhenMain(coachServer);
