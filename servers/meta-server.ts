/** The meta-learning service (3002): measures how effective the learning is, from the data of the training service. */
import { metaRoutes } from './meta/meta-routes.js';
import { metaMigrations, type MetaSchema } from './meta/schema.js';
import { defineServer, runWhenMain } from './support/service.js';

export const metaServer = defineServer<MetaSchema>({
  name: 'meta',
  migrations: metaMigrations,
  routes: (context) => [metaRoutes(context.db, context.client('training'), context.clock)],
});

runWhenMain(metaServer);
