/** Two services gave one key a value: whose stands? */
import { messageOf } from '../../shared/errors.js';

/** A value with where and when it was given. */
export interface CacheVersion {
  /** Milliseconds of the service's hybrid clock; 0 for a value nobody published. */
  readonly timestamp: number;
  /** Tells apart what happened within one millisecond. Default 0. */
  readonly counter?: number;
  readonly serviceId?: string;
  /** Undefined: the key was invalidated. */
  readonly value?: unknown;
}

/** Answers the version that stands; it may be a third one, made of both. */
export type ConflictResolver = (key: string, local: CacheVersion, remote: CacheVersion) => CacheVersion;

export type ConflictResolution = 'latest-write-wins' | 'local-wins' | 'service-priority' | ConflictResolver;

/** Every service comes to the same result, whichever of the two it calls local. */
export function latestWins(_key: string, local: CacheVersion, remote: CacheVersion): CacheVersion {
  const order =
    local.timestamp - remote.timestamp ||
    (local.counter ?? 0) - (remote.counter ?? 0) ||
    compareTexts(local.serviceId ?? '', remote.serviceId ?? '');
  return order >= 0 ? local : remote;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** @param priority service names, the most trusted first; what is not listed comes last */
export function resolverOf(resolution: ConflictResolution, priority: readonly string[]): ConflictResolver {
  if (typeof resolution === 'function') return guarded(resolution);
  switch (resolution) {
    case 'latest-write-wins':
      return latestWins;
    case 'local-wins':
      return (_key, local) => local;
    case 'service-priority':
      return byPriority(priority);
  }
}

function byPriority(priority: readonly string[]): ConflictResolver {
  const rankOf = ({ serviceId }: CacheVersion): number => {
    const rank = priority.indexOf(serviceId ?? '');
    return rank === -1 ? priority.length : rank;
  };
  return (key, local, remote) => {
    const order = rankOf(local) - rankOf(remote);
    if (order === 0) return latestWins(key, local, remote);
    return order < 0 ? local : remote;
  };
}

/** A resolver of the user's that fails leaves the decision to time. */
function guarded(resolver: ConflictResolver): ConflictResolver {
  return (key, local, remote) => {
    try {
      return resolver(key, local, remote);
    } catch (error) {
      process.emitWarning(`the conflict resolver failed, the latest write stands: ${messageOf(error)}`, {
        code: 'TOOLOO_CONFLICT_RESOLVER_FAILED',
      });
      return latestWins(key, local, remote);
    }
  };
}
