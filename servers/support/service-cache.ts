/** The cache of a service: memory over disk, the response middleware, and the coordination with the other caches. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheResponse, MultiLayerCacheManager, type CacheResponse } from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import { trustProxyOf, type FleetConfig } from './config.js';
import type { ServiceName } from './fleet.js';
import { isSystemRoute } from './pulse.js';

export interface CachePlan {
  /** Maximum number of entries in memory, and their lifetime in ms. */
  readonly memory: { readonly maxSize: number; readonly ttl: number };
  /** Lifetime of entries on disk, in ms. */
  readonly disk: { readonly ttl: number };
  /** Patterns of the invalidations from other services that this cache applies. Default: all. */
  readonly subscriptions?: readonly string[];
  /** Stored responses to invalidate with published names: paths, keyed by the pattern of the invalidated name. */
  readonly responses?: Readonly<Record<string, readonly string[]>>;
}

export interface ServiceCache {
  readonly plan: CachePlan;
  readonly manager: MultiLayerCacheManager;
  readonly responses: CacheResponse;
  /** The file of the disk layer. */
  readonly dbPath: string;
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
    // Live state, never stored. Otherwise the requests of the control room would be the busiest keys.
    bypass: (req) => isSystemRoute((req.url ?? '').split('?', 1)[0]!),
    ...(config.CONTROL_TOKEN !== undefined && { controlToken: config.CONTROL_TOKEN }),
  });
  stack.add(() => responses.close());
  for (const [pattern, paths] of Object.entries(plan.responses ?? {})) {
    manager.setInvalidationListener(pattern, async () => {
      await Promise.all(paths.map((path) => responses.invalidatePattern(path)));
    });
  }
  return { plan, manager, responses, dbPath };
}
