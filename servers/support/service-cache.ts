/** The cache of a service, memory over disk, the middleware over it, and what keeps it one with the others of the fleet. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheResponse, MultiLayerCacheManager, type CacheResponse } from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import { trustProxyOf, type FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import { isSystemRoute } from './pulse.js';

export interface CachePlan {
  /** Entries in memory, and how long they live there, in ms. */
  readonly memory: { readonly maxSize: number; readonly ttl: number };
  /** How long entries live on disk, in ms. */
  readonly disk: { readonly ttl: number };
  /** Patterns of what is applied here of the invalidations of other services. Default: everything. */
  readonly subscriptions?: readonly string[];
  /** Stored responses that an invalidation outdates, whoever publishes it: paths by the pattern of what is invalidated. */
  readonly responses?: Readonly<Record<string, readonly string[]>>;
}

export interface ServiceCache {
  readonly plan: CachePlan;
  readonly manager: MultiLayerCacheManager;
  readonly responses: CacheResponse;
}

export function openServiceCache(
  plan: CachePlan,
  name: ServiceName,
  config: FleetConfig,
  stack: CloseStack,
): ServiceCache {
  mkdirSync(config.DATA_DIR, { recursive: true });
  const dbPath = join(config.DATA_DIR, `${name}-cache.sqlite`);
  const manager = new MultiLayerCacheManager({ memory: plan.memory, disk: { ...plan.disk, dbPath } });
  stack.add(() => manager.destroy());
  const responses = cacheResponse({
    cache: manager,
    trustProxy: trustProxyOf(config),
    // Live state, never stored: what the control room asks would be the hottest of all keys.
    bypass: (req) => isSystemRoute((req.url ?? '').split('?', 1)[0]!),
    ...(config.CONTROL_TOKEN !== undefined && { controlToken: config.CONTROL_TOKEN }),
  });
  stack.add(() => responses.close());
  for (const [pattern, paths] of Object.entries(plan.responses ?? {})) {
    manager.setInvalidationListener(pattern, async () => {
      await Promise.all(paths.map((path) => responses.invalidatePattern(path)));
    });
  }
  return { plan, manager, responses };
}
