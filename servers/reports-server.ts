/** The reports service (3008): reports over the data of the other services. */
import { askEachInstance } from './reports/ask-each.js';
import { startRecorder } from './reports/recorder.js';
import { reportsRoutes } from './reports/reports-routes.js';
import { reportsMigrations, type ReportsSchema } from './reports/schema.js';
import { defineServer, runWhenMain } from './support/service.js';

export const reportsServer = defineServer<ReportsSchema>({
  name: 'reports',
  migrations: reportsMigrations,
  routes: (context) => {
    const { db, clock, log, controlToken, peers } = context;
    const client = context.client.bind(context);
    context.openCache({
      memory: { maxSize: 500, ttl: 30_000 },
      disk: { ttl: 60_000 },
      responses: { 'provider:*': ['/api/v1/reports/*'] },
    });
    const askEach = askEachInstance({
      targetsOf: (service) => peers.router.getHealthyTargets(service),
      client,
      controlToken,
    });
    const recorder = startRecorder({ db, client, askEach, clock, log });
    return {
      routes: [reportsRoutes({ db, client, askEach, recorder, clock, controlToken })],
      close: () => recorder.close(),
    };
  },
});

runWhenMain(reportsServer);
