/**
 * The store for rate limits: memory of the process, memory of the primary process for a server with workers or, for
 * several machines, a shared Redis.
 */
import { ClusterStore, type RateLimitStore } from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import { openRedis } from './redis-client.js';
import type { ServiceContext } from './service.js';

/**
 * The shared store at `REDIS_URL`, or that of the workers; undefined without either. While Redis is unavailable, the
 * middleware limits locally.
 */
export async function openLimitStore(
  { name, config, log, workers }: Pick<ServiceContext, 'name' | 'config' | 'log' | 'workers'>,
  stack: CloseStack,
): Promise<RateLimitStore | undefined> {
  if (config.REDIS_URL === undefined) return workers && workersStore(stack);
  const { RedisStore } = await import('../../src/redis.js');
  const client = await openRedis(config.REDIS_URL, stack, (reason) =>
    log.warn({ reason }, 'Redis is away: limits are counted locally'),
  );
  return new RedisStore({ client, prefix: `{tooloo:${name}}:` });
}

/** The limits that the primary process keeps for all workers. */
export function workersStore(stack: CloseStack): RateLimitStore {
  const store = new ClusterStore();
  stack.add(() => store.close());
  return store;
}
