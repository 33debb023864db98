/** One truth for the caches of the fleet: what one service says is outdated is gone from all of them. */
import { hostname } from 'node:os';
import {
  DistributedCacheCoordinator,
  monotonicClock,
  startTimer,
  type CoordinationStatus,
  type CoordinatorTransport,
  type InvalidationDelivery,
  type Middleware,
  type Target,
  type Timer,
} from '../../src/index.js';
import { followCachePeers } from './cache-peers.js';
import type { CloseStack } from './close-stack.js';
import type { FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import type { Peers } from './peers.js';
import { openRedis } from './redis-client.js';
import type { ServiceCache } from './service-cache.js';

export interface CacheCoordination {
  /** What peers post to. */
  readonly router: Middleware;
  /** Removes a key, or with `*` a pattern, from the caches of all services. Settles when they have heard, or soon. */
  publish(name: string): Promise<void>;
  /** Follows who else there is, once this instance listens on that port. */
  join(port: number): void;
  status(): CoordinationStatus;
  /** Where the last invalidations published here went. */
  deliveries(): readonly InvalidationDelivery[];
}

export interface CacheCoordinationOptions {
  readonly name: ServiceName;
  readonly cache: ServiceCache;
  readonly config: FleetConfig;
  readonly peers: Peers;
  readonly log: Logger;
  readonly stack: CloseStack;
}

/** Invalidations told to the control room. */
const MOST_TOLD = 50;

const STREAM = 'tooloo:cache-invalidations';

/** How long whoever publishes waits for the others, in ms: one that hangs must not hold up a request. */
const PATIENCE = 250;
/** How long until an invalidation is told once more, in ms. */
const SETTLED = 500;

/** Between the instances the registry tells of, or through the Redis of `REDIS_URL`. The fleet's token signs. */
export async function openCacheCoordination(options: CacheCoordinationOptions): Promise<CacheCoordination> {
  const { name, cache, config, peers, stack } = options;
  const { manager, plan } = cache;
  const secret = config.CONTROL_TOKEN;
  const transport = await openRedisTransport(options);
  const coordinator = new DistributedCacheCoordinator(manager, name, {
    ...(transport !== undefined ? { transport } : secret !== undefined && { secret }),
  });
  stack.add(() => coordinator.destroy());
  for (const pattern of plan.subscriptions ?? []) coordinator.subscribeToInvalidations(pattern);
  const tellAgain = repeater(coordinator, stack);

  return {
    router: coordinator.router,
    status: () => coordinator.getCoordinationStatus(),
    deliveries: () => coordinator.recentDeliveries(MOST_TOLD),
    async publish(pattern) {
      await coordinator.publishInvalidation(pattern);
      await atMost(
        PATIENCE,
        coordinator.flush().then(() => tellAgain(pattern)),
      );
    },
    join(port) {
      if (transport !== undefined) return; // everybody reads the one stream
      const hosts = ['127.0.0.1', config.HOST];
      followCachePeers({
        coordinator,
        router: peers.router,
        isSelf: (target: Target) => target.port === port && hosts.includes(target.host),
        // What was said while the service was down may be remembered by nobody, but its file still has the answers of then.
        onAlone: () => void manager.clear(),
        stack,
      });
    },
  };
}

/** Reads on where this instance stopped, also after a restart: its cache on disk outlives it. */
async function openRedisTransport({
  name,
  config,
  log,
  stack,
}: CacheCoordinationOptions): Promise<CoordinatorTransport | undefined> {
  const { REDIS_URL: url, CONTROL_TOKEN: secret, INSTANCE_ID: instance = name } = config;
  if (url === undefined) return undefined;
  const { RedisTransport } = await import('../../src/redis.js');
  const client = await openRedis(url, stack, (reason) =>
    log.warn({ reason }, 'Redis is away: invalidations wait until it is back'),
  );
  const consumer = `${hostname()}:${instance}`;
  return new RedisTransport({ client, stream: STREAM, consumer, ...(secret !== undefined && { secret }) });
}

/** Settles when the work is done, or without it when that takes too long. */
function atMost(delay: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = startTimer(monotonicClock, resolve, delay);
    void work.then(() => {
      timer.cancel();
      resolve();
    });
  });
}

/**
 * Tells names once more a little later: a cache in front that heard early may have fetched the old answer again from an
 * instance that had not heard yet. By then it has.
 */
function repeater(coordinator: DistributedCacheCoordinator, stack: CloseStack): (name: string) => void {
  const names = new Set<string>();
  let timer: Timer | undefined;
  let isClosed = false;
  stack.add(() => {
    isClosed = true;
    timer?.cancel();
  });

  function tell(): void {
    timer = undefined;
    for (const name of names) void coordinator.publishInvalidation(name);
    names.clear();
  }
  return (name) => {
    if (isClosed) return; // closing ends the waiting for peers, too
    names.add(name);
    timer ??= startTimer(monotonicClock, tell, SETTLED);
  };
}
