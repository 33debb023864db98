/** The packages whose documented behaviour must stay the same with the kit mounted. */
import { bodyParser } from './body-parser.js';
import { compression } from './compression.js';
import { expressSession } from './express-session.js';
import { fastify } from './fastify.js';
import { multer } from './multer.js';
import { nest } from './nest.js';
import { passport } from './passport.js';
import { router } from './router.js';
import { serveStatic } from './serve-static.js';
import type { PackageSuite } from './suite.js';

export const PACKAGES: readonly PackageSuite[] = [
  router,
  bodyParser,
  compression,
  serveStatic,
  expressSession,
  multer,
  passport,
  nest,
  fastify,
];
