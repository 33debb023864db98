/** The store for rate limits: memory in each process or, for several machines, a shared Redis. */
import type { RateLimitStore } from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import type { FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import { openRedis } from './redis-client.js';

/**
 * The shared store at `REDIS_URL`; undefined without one. While Redis is unavailable, the middleware limits locally.
 */
export async function openLimitStore(
  name: ServiceName,
  config: FleetConfig,
  log: Logger,
  stack: CloseStack,
): Promise<RateLimitStore | undefined> {
  if (config.REDIS_URL === undefined) return undefined;
  const { RedisStore } = await import('../../src/redis.js');
  const client = await openRedis(config.REDIS_URL, stack, (reason) =>
    log.warn({ reason }, 'Redis is away: limits are counted locally'),
  );
  return new RedisStore({ client, prefix: `{tooloo:${name}}:` });
}
