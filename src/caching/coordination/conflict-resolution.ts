/** Conflict resolution: decides between the values that two services set for one key. */
import { messageOf } from '../../shared/errors.js';

/** A value with the service and the time of its assignment. */
export interface CacheVersion {
  /** Milliseconds of the service's hybrid clock; 0 for a value that was never published. */
  readonly timestamp: number;
  /** Orders events within one millisecond. Default 0. */
  readonly counter?: number;
  readonly serviceId?: string;
  /** Undefined: the key was invalidated. */
  readonly value?: unknown;
}

/** Returns the version to keep. It may be a third version, made from both. */
export type ConflictResolver = (key: string, local: CacheVersion, remote: CacheVersion) => CacheVersion;

/** The rule for two changes of a key at the same time. */
export type ConflictResolution = 'latest-write-wins' | 'local-wins' | 'service-priority' | ConflictResolver;

/** Every service gets the same result, because the result does not depend on which version is called local. */
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

/** @param priority service names, the most trusted first; services that are not listed come last */
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

/** If a custom resolver fails, the time decides. */
function guarded(resolver: ConflictResolver): ConflictResolver {
  return (key, local, remote) => {
    try {
      return resolver(key, local, remote);
    } catch (error) {
      process.emitWarning(`the conflict resolver failed, the latest write is kept: ${messageOf(error)}`, {
        code: 'TOOLOO_CONFLICT_RESOLVER_FAILED',
      });
      return latestWins(key, local, remote);
    }
  };
}
