/** The options of the coordinator, checked. */
import type { Clock } from '../../shared/clock.js';
import type { ControlMode } from '../../shared/control-access.js';
import { withPresentNames, type FormerNames } from '../../shared/former-options.js';
import { anyOf, array, checkOptions, clock, func, having, oneOf, string } from '../../shared/options.js';
import type { ConflictResolution } from './conflict-resolution.js';
import type { CoordinatorTransport } from './transport.js';

/** The transport, the allowed senders and the resolution of conflicts. */
export interface DistributedCacheCoordinatorOptions {
  /** Default: HTTP, with this `secret`. */
  readonly transport?: CoordinatorTransport;
  /**
   * The rule for two services that set different values for one key. An invalidation always wins. Default
   * 'latest-write-wins'.
   */
  readonly conflictResolution?: ConflictResolution;
  /** For 'service-priority': service names, the most trusted first. */
  readonly servicePriority?: readonly string[];
  /** Shared by all services; for the default transport, which without one accepts nothing (403). */
  readonly secret?: string;
  /** For the default transport: `'loopback'` believes programs on this machine without a secret. Not behind a proxy. */
  readonly control?: ControlMode;
  /** Default: the machine's wall clock. It may be wrong: no clock decides whether an invalidation is applied. */
  readonly clock?: Clock;
}

const FORMER_NAMES: FormerNames<DistributedCacheCoordinatorOptions> = {
  broadcastInterval: { dropped: 'an invalidation is sent at once' },
};

/** @throws TypeError or RangeError for an unknown option or a value out of range */
export function checkCoordinatorOptions(
  options: DistributedCacheCoordinatorOptions,
): DistributedCacheCoordinatorOptions {
  const named = withPresentNames('DistributedCacheCoordinator', options, FORMER_NAMES);
  return checkOptions('DistributedCacheCoordinator', named, {
    transport: having('a transport', 'start', 'send', 'addPeer', 'removePeer', 'status'),
    conflictResolution: anyOf(oneOf('latest-write-wins', 'local-wins', 'service-priority'), func),
    servicePriority: array,
    secret: string,
    control: oneOf('loopback'),
    clock,
  });
}
