/** Keeps the peer list of a cache coordinator equal to the current instances that have a cache. */
import {
  monotonicClock,
  startTimer,
  type DistributedCacheCoordinator,
  type IntelligentRouter,
  type Target,
  type Timer,
} from '../../src/index.js';
import type { CloseStack } from './close-stack.js';
import type { ServiceName } from './fleet.js';
import { repeatingTask } from './repeating-task.js';

export interface CachePeersOptions {
  readonly coordinator: DistributedCacheCoordinator;
  /** Knows the instances. */
  readonly router: IntelligentRouter;
  /** A service whose instances are no peers. */
  readonly except?: ServiceName;
  readonly isSelf: (target: Target) => boolean;
  /** Called when this instance is the only one of its service. */
  readonly onAlone: () => void;
  readonly stack: CloseStack;
}

/** The services that have a cache. */
const SERVICES: readonly ServiceName[] = ['web', 'budget', 'reports'];

/** Delay before comparing with new peers, in ms, so that peers that start together are handled together. */
const COMPARED_AFTER = 50;
/** Interval between comparisons with all peers, in ms. A lost invalidation is repaired after at most this time. */
const COMPARED_EVERY = 30_000;

export function followCachePeers({ coordinator, router, except, isSelf, onAlone, stack }: CachePeersOptions): void {
  const services = SERVICES.filter((service) => service !== except);
  const known = new Set<string>();
  let comparison: Timer | undefined;

  function appeared(service: string, target: Target): void {
    const id = idOf(service, target);
    if (known.has(id)) return;
    known.add(id);
    if (!isSelf(target)) {
      coordinator.registerPeer(id, target.host, target.port);
      comparison ??= startTimer(monotonicClock, compare, COMPARED_AFTER);
    } else if (router.size(service) === 1) {
      onAlone();
    }
  }

  /** Compares with the peers, to catch up on the invalidations published before a peer joined. */
  function compare(): void {
    comparison = undefined;
    void coordinator.checkCoherence();
  }

  function gone(service: string, target: Target): void {
    const id = idOf(service, target);
    if (known.delete(id)) coordinator.unregisterPeer(id);
  }

  const stop = router.onTargetChange(({ service, target, state }) => {
    if (!services.some((one) => one === service)) return;
    if (state === 'removed') gone(service, target);
    else appeared(service, target);
  });
  stack.add(() => {
    stop();
    comparison?.cancel();
  });
  for (const service of services) for (const target of router.getHealthyTargets(service)) appeared(service, target);

  const comparing = repeatingTask({
    clock: monotonicClock,
    interval: COMPARED_EVERY,
    maxBackoff: COMPARED_EVERY,
    run: async () => void (await coordinator.checkCoherence()),
    onError: () => undefined, // it never rejects: its report lists unreachable peers
  });
  stack.add(() => comparing.close());
}

function idOf(service: string, { host, port }: Target): string {
  return `${service}@${host}:${port}`;
}
