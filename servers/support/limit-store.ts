/** Where limits are counted: in each process, or, past one machine, in a Redis that all of them share. */
import type { RateLimitStore } from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import type { FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import { openRedis } from './redis-client.js';

/** The shared store `REDIS_URL` names; undefined without one. Redis may be away: the middleware limits locally then. */
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
