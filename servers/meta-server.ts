/** The meta-learning service (3002): how well the learning itself goes, worked out from what training holds. */
import { metaRoutes } from './meta/meta-routes.js';
import { metaMigrations, type MetaSchema } from './meta/schema.js';
import { defineServer, runWhenMain } from './support/service.js';

export const metaServer = defineServer<MetaSchema>({
  name: 'meta',
  migrations: metaMigrations,
  routes: (context) => [metaRoutes(context.db, context.client('training'), context.clock)],
});

runWhenMain(metaServer);
