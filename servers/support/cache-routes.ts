/** `/api/v1/system/cache` of a server that has one: what it is used for, and taking out what is no longer true, by hand. */
import { z } from 'zod';
import type { HottestEntries, InvalidationDelivery, RecentInvalidation } from '../../src/index.js';
import type { CacheCoordination } from './cache-coordination.js';
import { RouteTable } from './route-table.js';
import type { ServiceCache } from './service-cache.js';

export interface CacheRouteParts {
  readonly cache: ServiceCache;
  readonly coordination: Pick<CacheCoordination, 'deliveries'> | undefined;
  readonly controlToken: string | undefined;
}

/** What an instance tells of its cache. */
export interface CacheReading {
  readonly hottest: HottestEntries;
  readonly invalidations: readonly RecentInvalidation[];
  /** Of those published here: who has confirmed them. */
  readonly deliveries: readonly InvalidationDelivery[];
}

const purge = z
  .object({
    tag: z.string().trim().min(1).max(256).optional(),
    pattern: z.string().trim().min(1).max(1024).optional(),
    soft: z.boolean().default(false),
  })
  .refine(({ tag, pattern }) => (tag === undefined) !== (pattern === undefined), 'expected either a tag or a pattern')
  .refine(({ tag, soft }) => tag !== undefined || !soft, 'only a tag can be purged softly');

/** A pattern over responses names paths or URLs; any other is one over the keys of the cache itself. */
const OF_RESPONSES = /^(\/|https?:\/\/)/;

/** Who invalidated, where it was nobody's program. */
const BY_HAND = 'by hand';

const MOST_KEYS = 20;
const MOST_INVALIDATIONS = 50;

export function cacheRoutes({ cache, coordination, controlToken }: CacheRouteParts): RouteTable {
  const { manager, responses } = cache;
  return new RouteTable('/api/v1/system', controlToken)
    .get(
      '/cache',
      { summary: 'What the cache is asked for most, and what was taken out of it last', control: true },
      (): CacheReading => ({
        hottest: manager.hottest(MOST_KEYS),
        invalidations: manager.recentInvalidations(MOST_INVALIDATIONS),
        deliveries: coordination?.deliveries() ?? [],
      }),
    )
    .post(
      '/cache/purge',
      { summary: 'Takes what carries a tag, or matches a pattern, out of the cache', body: purge, control: true },
      async ({ body: { tag, pattern = '', soft } }) => {
        if (tag !== undefined) {
          await manager.invalidateTag(tag, { soft, by: BY_HAND });
          return { tag, soft };
        }
        const removed = OF_RESPONSES.test(pattern)
          ? await responses.invalidatePattern(pattern)
          : await manager.invalidatePattern(pattern, { by: BY_HAND });
        return { pattern, removed };
      },
    );
}
