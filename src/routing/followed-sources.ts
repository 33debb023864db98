/** Applies the instances that sources report to the services that follow them. */
import { messageOf } from '../shared/errors.js';
import { warn } from '../shared/warnings.js';
import type { Member } from './service-group.js';
import type { DiscoveredTarget, TargetSource } from './sources/target-source.js';
import { parseTarget, type Target } from './target.js';

/** A service that its sources can change. */
export interface FollowingService {
  /** Adds a target, or updates its weight. */
  add(spec: Omit<DiscoveredTarget, 'draining'>): Target;
  find(id: string): Member | undefined;
  drain(member: Member): Promise<void>;
  remove(id: string): boolean;
}

export class FollowedSources {
  readonly #who: string;
  readonly #subscriptions = new Set<() => void>();

  /** @param who the beginning of a warning */
  constructor(who: string) {
    this.#who = who;
  }

  /** Follows a source until the returned function is called. The instances stay after that. */
  follow(name: string, source: TargetSource, service: FollowingService): () => void {
    let followed = new Set<string>();
    const unsubscribe = source.subscribe(name, (targets) => {
      const reported = new Set<string>();
      for (const { draining = false, ...spec } of targets) {
        const target = this.#takeOver(service, spec, draining || spec.weight === 0);
        if (target !== undefined) reported.add(target.id);
      }
      for (const id of followed) if (!reported.has(id)) service.remove(id);
      followed = reported;
    });
    const stop = (): void => {
      if (this.#subscriptions.delete(stop)) unsubscribe();
    };
    this.#subscriptions.add(stop);
    return stop;
  }

  /** Stops following all sources. */
  close(): void {
    for (const stop of [...this.#subscriptions]) stop();
  }

  /** Skips an invalid target with a warning and keeps the others. */
  #takeOver(service: FollowingService, spec: Omit<DiscoveredTarget, 'draining'>, drains: boolean): Target | undefined {
    let target: Target;
    try {
      target = parseTarget(this.#who, spec);
    } catch (error) {
      warn('TOOLOO_TARGET_IGNORED', messageOf(error));
      return undefined;
    }
    const known = service.find(target.id);
    if (drains && known?.draining) return target;
    service.add(spec);
    if (drains) void service.drain(service.find(target.id)!);
    return target;
  }
}
