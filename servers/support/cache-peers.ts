/** Keeps a cache coordinator's peers those instances of the fleet that have a cache, as they come and go. */
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
  readonly isSelf: (target: Target) => boolean;
  /** Told when this instance is found to be the only one of its service. */
  readonly onAlone: () => void;
  readonly stack: CloseStack;
}

/** The services that have a cache. */
const SERVICES: ReadonlySet<string> = new Set<ServiceName>(['web', 'budget', 'reports']);

/** How long peers that have just come are left to settle before they are compared with, in ms. */
const COMPARED_AFTER = 50;
/** How often all are compared with, in ms: what was lost in spite of everything lives no longer. */
const COMPARED_EVERY = 30_000;

export function followCachePeers({ coordinator, router, isSelf, onAlone, stack }: CachePeersOptions): void {
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

  /** What each has said before the other came. */
  function compare(): void {
    comparison = undefined;
    void coordinator.checkCoherence();
  }

  function gone(service: string, target: Target): void {
    const id = idOf(service, target);
    if (known.delete(id)) coordinator.unregisterPeer(id);
  }

  const stop = router.onTargetChange(({ service, target, state }) => {
    if (!SERVICES.has(service)) return;
    if (state === 'removed') gone(service, target);
    else appeared(service, target);
  });
  stack.add(() => {
    stop();
    comparison?.cancel();
  });
  for (const service of SERVICES) for (const target of router.getHealthyTargets(service)) appeared(service, target);

  const comparing = repeatingTask({
    clock: monotonicClock,
    interval: COMPARED_EVERY,
    maxBackoff: COMPARED_EVERY,
    run: async () => void (await coordinator.checkCoherence()),
    onError: () => undefined, // it never fails: who cannot be reached is in its report
  });
  stack.add(() => comparing.close());
}

function idOf(service: string, { host, port }: Target): string {
  return `${service}@${host}:${port}`;
}
