/** The counters of `stats()`. */

/** Each request is counted once, by how it was answered. The other counters describe events on the way. */
export interface CacheCounts {
  /** Answered from the cache while fresh. */
  hits: number;
  /** Answered from the cache while stale: during revalidation, by `max-stale`, or instead of an error. */
  staleHits: number;
  /** Answered by the response that another request fetched. */
  collapsed: number;
  /** Answered by the origin, because there was no usable stored response. */
  misses: number;
  /** Answered from the cache after the origin confirmed it (304). */
  revalidated: number;
  /** Not looked up: `bypass`, a body, `no-store`. */
  bypassed: number;
  /** Rejected with 504, because the request accepted only stored responses. */
  onlyIfCachedMisses: number;
  /** Responses stored. */
  stored: number;
  /** Responses that could not be stored. */
  uncacheable: number;
  /** Stale responses served in place of an error of the origin. */
  errorsCovered: number;
  /** Validations in the background. */
  refreshes: number;
  /** Keys, tags and patterns invalidated. */
  invalidations: number;
  /** Failures of the store or of a callback of the options: answered without the cache. */
  failures: number;
}

export function newCounts(): CacheCounts {
  return {
    hits: 0,
    staleHits: 0,
    collapsed: 0,
    misses: 0,
    revalidated: 0,
    bypassed: 0,
    onlyIfCachedMisses: 0,
    stored: 0,
    uncacheable: 0,
    errorsCovered: 0,
    refreshes: 0,
    invalidations: 0,
    failures: 0,
  };
}

/** Of the requests that were looked up, the fraction answered without the origin: 0 to 1. */
export function hitRate({ hits, staleHits, collapsed, misses, revalidated }: Readonly<CacheCounts>): number {
  const answered = hits + staleHits + collapsed;
  const all = answered + misses + revalidated;
  return all === 0 ? 0 : answered / all;
}
