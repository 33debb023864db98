/** The figures of a server's engines that its history records. */
import type { OpenedDatabase } from '../support/database.js';
import type { ServiceCache } from '../support/service-cache.js';
import type { ServiceLimit } from '../support/service-limit.js';
import type { EngineReading } from './recorder.js';
import type { ServiceSize } from './step.js';

export interface ReadEngines {
  readonly database: Pick<OpenedDatabase<unknown>, 'pool'>;
  readonly cache: ServiceCache | undefined;
  readonly limit: ServiceLimit | undefined;
  readonly inFlight: () => number;
  readonly fleet: (() => Readonly<Record<string, ServiceSize>>) | undefined;
}

/** Maximum number of limits on requests in flight in a step, because a limit may have one key per client. */
const MOST_SLOTS = 16;

export function readEngines({ database, cache, limit, inFlight, fleet }: ReadEngines): EngineReading {
  const limiter = limit?.middleware.limiter.getStats();
  const concurrency = limit?.middleware.concurrency?.getStats();
  const { hits = 0, staleHits = 0, collapsed = 0, misses = 0, revalidated = 0 } = cache?.responses.stats() ?? {};
  const found = hits + staleHits + collapsed;
  const waitingForDatabase = database.pool.getStats().waitingRequests;
  return {
    counts: {
      allowed: limiter?.allowedRequests ?? 0,
      rejected: limiter?.deniedRequests ?? 0,
      rejectedInFlight: concurrency?.refused ?? 0,
      hits: found,
      lookups: found + misses + revalidated,
    },
    levels: {
      inFlight: inFlight(),
      waiting: (limiter?.waitingRequests ?? 0) + (concurrency?.waiting ?? 0) + waitingForDatabase,
      slots: Object.fromEntries(Object.entries(concurrency?.keys ?? {}).slice(0, MOST_SLOTS)),
      ...(fleet && { fleet: fleet() }),
    },
  };
}
