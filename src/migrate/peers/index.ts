/** The packages whose users can move here. */
import type { Migration } from '../migration.js';
import { apicache } from './apicache.js';
import { expressRateLimit } from './express-rate-limit.js';
import { httpProxyMiddleware } from './http-proxy-middleware.js';
import { opossum } from './opossum.js';
import { rateLimiterFlexible } from './rate-limiter-flexible.js';
import { terminus } from './terminus.js';

/**
 * The packages that can be replaced. docs/migrating.md has a table for each.
 *
 * @example
 * import { MIGRATIONS } from '@tooloo/resilience/migrate';
 *
 * console.log(MIGRATIONS.map(({ peer }) => peer)); // ['express-rate-limit', …]
 */
export const MIGRATIONS: readonly Migration[] = [
  expressRateLimit,
  rateLimiterFlexible,
  httpProxyMiddleware,
  apicache,
  opossum,
  terminus,
];
