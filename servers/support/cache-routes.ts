/** `/api/v1/system/cache` of a server with a cache: its use, and manual invalidation. */
import * as z from 'zod';
import {
  countEntries,
  type EntrySelection,
  type HottestEntries,
  type InvalidationDelivery,
  type RecentInvalidation,
} from '../../src/index.js';
import type { CacheCoordination } from './cache-coordination.js';
import { RouteTable } from './route-table.js';
import type { ServiceCache } from './service-cache.js';

export interface CacheRouteParts {
  readonly cache: ServiceCache;
  readonly coordination: Pick<CacheCoordination, 'deliveries'> | undefined;
  readonly controlToken: string | undefined;
}

/** The cache figures of one instance. */
export interface CacheReading {
  readonly hottest: HottestEntries;
  readonly invalidations: readonly RecentInvalidation[];
  /** Which peers confirmed the invalidations published here. */
  readonly deliveries: readonly InvalidationDelivery[];
}

/** The entries that a purge names. */
export const purgeTarget = {
  tag: z.string().trim().min(1).max(256).optional(),
  pattern: z.string().trim().min(1).max(1024).optional(),
};

function isOne({
  tag,
  pattern,
}: {
  readonly tag?: string | undefined;
  readonly pattern?: string | undefined;
}): boolean {
  return (tag === undefined) !== (pattern === undefined);
}

const EITHER = 'expected either a tag or a pattern';

const preview = z.object(purgeTarget).refine(isOne, EITHER);
const purge = z
  .object({ ...purgeTarget, soft: z.boolean().default(false) })
  .refine(isOne, EITHER)
  .refine(({ tag, soft }) => tag !== undefined || !soft, 'only a tag can be purged softly');

/** A pattern for responses starts with a path or a URL. Any other pattern is for the keys of the cache itself. */
const OF_RESPONSES = /^(\/|https?:\/\/)/;

function selectionOf(tag: string | undefined, pattern: string): EntrySelection {
  if (tag !== undefined) return { tag };
  return OF_RESPONSES.test(pattern) ? { responses: pattern } : { keys: pattern };
}

/** The origin of an invalidation that a person requested. */
const BY_HAND = 'by hand';

const MOST_KEYS = 20;
const MOST_INVALIDATIONS = 50;

export function cacheRoutes({ cache, coordination, controlToken }: CacheRouteParts): RouteTable {
  const { manager, responses } = cache;
  return new RouteTable('/api/v1/system', controlToken)
    .get(
      '/cache',
      { summary: 'The most requested keys of the cache, and its latest invalidations', control: true },
      (): CacheReading => ({
        hottest: manager.hottest(MOST_KEYS),
        invalidations: manager.recentInvalidations(MOST_INVALIDATIONS),
        deliveries: coordination?.deliveries() ?? [],
      }),
    )
    .post(
      '/cache/purge/preview',
      { summary: 'How many entries a purge would remove; it removes nothing', body: preview, control: true },
      ({ body: { tag, pattern = '' } }) => ({
        entries: countEntries({ memory: manager.memory, dbPath: cache.dbPath }, selectionOf(tag, pattern)),
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
