/** Keeps the caches of the fleet consistent: what one service invalidates is removed from all caches. */
import { createHmac } from 'node:crypto';
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
import { relayedTransport } from '../workers/relayed-transport.js';
import type { WorkerGroup } from '../workers/worker-group.js';
import { followCachePeers } from './cache-peers.js';
import type { CloseStack } from './close-stack.js';
import type { FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import type { Logger } from './logger.js';
import type { Peers } from './peers.js';
import { openRedis } from './redis-client.js';
import type { ServiceCache } from './service-cache.js';

export interface CacheCoordination {
  /** Receives the messages of peers. */
  readonly router: Middleware;
  /**
   * Removes a key, or the keys that match a pattern with `*`, from the caches of all services. Settles when the peers
   * have confirmed, or after a short time limit.
   */
  publish(name: string): Promise<void>;
  /** Starts to follow the list of peers, once this instance listens on that port. */
  join(port: number): void;
  /** `refused`: number of ignored invalidations from peers that signed with a different secret. */
  status(): CoordinationStatus & { readonly refused: number };
  /** The deliveries of the latest invalidations published here. */
  deliveries(): readonly InvalidationDelivery[];
}

export interface CacheCoordinationOptions {
  readonly name: ServiceName;
  readonly cache: ServiceCache;
  readonly config: FleetConfig;
  readonly peers: Peers;
  readonly log: Logger;
  readonly stack: CloseStack;
  /** The processes of this server, if it has several: they are one peer for the others. */
  readonly workers: WorkerGroup | undefined;
}

/** Number of invalidations reported to the control room. */
const MOST_TOLD = 50;

const STREAM = 'tooloo:cache-invalidations';

/** How long a publisher waits for the peers, in ms. A peer that hangs must not delay a request. */
const PATIENCE = 250;
/** Delay before an invalidation is sent a second time, in ms. */
const SETTLED = 500;

/**
 * Connects the instances from the registry, or uses the Redis at `REDIS_URL`. Messages are signed with the fleet's
 * token.
 */
export async function openCacheCoordination(options: CacheCoordinationOptions): Promise<CacheCoordination> {
  const { name, cache, config, peers, stack, workers } = options;
  const { manager, plan } = cache;
  const secret = config.CONTROL_TOKEN;
  const redis = await openRedisTransport(options);
  const transport =
    redis ?? (workers && relayedTransport(workers, { ...(secret && { secret }), ...controlOf(config) }));
  const coordinator = new DistributedCacheCoordinator(manager, name, {
    ...(transport !== undefined && { transport }),
    ...(secret !== undefined && { secret }),
    ...controlOf(config),
  });
  stack.add(() => coordinator.destroy());
  for (const pattern of plan.subscriptions ?? []) coordinator.subscribeToInvalidations(pattern);
  const tellAgain = repeater(coordinator, stack);

  return {
    router: coordinator.router,
    status: () => ({ ...coordinator.getCoordinationStatus(), refused: redis?.refused ?? 0 }),
    deliveries: () => coordinator.recentDeliveries(MOST_TOLD),
    async publish(pattern) {
      await coordinator.publishInvalidation(pattern);
      await atMost(
        PATIENCE,
        coordinator.flush().then(() => tellAgain(pattern)),
      );
    },
    join(port) {
      if (redis !== undefined) return; // all instances read the same stream
      const hosts = ['127.0.0.1', config.HOST];
      followCachePeers({
        coordinator,
        router: peers.router,
        ...(workers && { except: name }), // they hear of each other from the primary process, which clears the file
        isSelf: (target: Target) => target.port === port && hosts.includes(target.host),
        // Invalidations during the downtime may be lost, but the cache file still has the old entries. So it is
        // cleared.
        onAlone: () => void manager.clear(),
        stack,
      });
    },
  };
}

function controlOf({ CONTROL }: FleetConfig): { control?: 'loopback' } {
  return CONTROL === 'loopback' ? { control: CONTROL } : {};
}

/** Continues where this instance stopped, even after a restart, because its disk cache survives the restart. */
async function openRedisTransport({
  name,
  config,
  log,
  stack,
}: CacheCoordinationOptions): Promise<(CoordinatorTransport & { readonly refused: number }) | undefined> {
  const { REDIS_URL: url, INSTANCE_ID: instance = name } = config;
  if (url === undefined) return undefined;
  const secret = sharedSecret(config, url);
  const { RedisTransport } = await import('../../src/redis.js');
  const client = await openRedis(url, stack, (reason) =>
    log.warn({ reason }, 'Redis is away: invalidations wait until it is back'),
  );
  const consumer = `${hostname()}:${instance}`;
  let told = 0;
  const onRefused = (origin: string): void => {
    // Logs the first one and then each power of ten, so that a misconfigured machine does not fill the log.
    const count = transport.refused;
    if (count < Math.max(1, told * 10)) return;
    told = count;
    log.warn(
      { origin, refused: count },
      'invalidations of another machine are refused: set the same CONTROL_TOKEN on all that share this Redis',
    );
  };
  const transport = new RedisTransport({
    ...{ client, stream: STREAM, consumer, onRefused },
    ...(secret !== undefined && { secret }),
  });
  return transport;
}

/**
 * The secret for signatures between machines that share a Redis. A token that each orchestrator generated for itself
 * does not work. Without a configured token, the secret is derived from the Redis password. Without a password, any
 * client of Redis is trusted.
 */
function sharedSecret({ CONTROL_TOKEN, CONTROL_TOKEN_MADE }: FleetConfig, url: string): string | undefined {
  if (CONTROL_TOKEN !== undefined && CONTROL_TOKEN_MADE !== 'true') return CONTROL_TOKEN;
  const { password } = new URL(url);
  return password === '' ? undefined : createHmac('sha256', password).update(STREAM).digest('base64url');
}

/** Settles when the work is done, or after `delay` milliseconds. */
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
 * Publishes names a second time after a delay. A cache in front that was invalidated early may have fetched the old
 * response again from an instance that was not invalidated yet.
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
    if (isClosed) return; // closing also ends the waiting for peers
    names.add(name);
    timer ??= startTimer(monotonicClock, tell, SETTLED);
  };
}
