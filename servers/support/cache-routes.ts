/** `/api/v1/system/cache` of a server that has one: taking out what is no longer true, by hand. */
import { z } from 'zod';
import { RouteTable } from './route-table.js';
import type { ServiceCache } from './service-cache.js';

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

export function cacheRoutes({ manager, responses }: ServiceCache, controlToken: string | undefined): RouteTable {
  return new RouteTable('/api/v1/system', controlToken).post(
    '/cache/purge',
    { summary: 'Takes what carries a tag, or matches a pattern, out of the cache', body: purge, control: true },
    async ({ body: { tag, pattern = '', soft } }) => {
      if (tag !== undefined) {
        await manager.invalidateTag(tag, { soft });
        return { tag, soft };
      }
      const removed = await (OF_RESPONSES.test(pattern) ? responses : manager).invalidatePattern(pattern);
      return { pattern, removed };
    },
  );
}
