/** The segmentation service (3007): finds the topics of a conversation. It is CPU-bound, so scaling helps it most. */
import { segmentationMigrations, type SegmentationSchema } from './segmentation/schema.js';
import { segmentationRoutes } from './segmentation/segmentation-routes.js';
import { defineServer, runWhenMain } from './support/service.js';

export const segmentationServer = defineServer<SegmentationSchema>({
  name: 'segmentation',
  migrations: segmentationMigrations,
  routes: ({ db, clock, controlToken }) => [segmentationRoutes(db, clock, controlToken)],
});

runWhenMain(segmentationServer);
