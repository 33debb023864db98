/** The connections to every instance, opened when first needed and closed when the instance is removed and idle. */
import type { Target } from '../target.js';
import { loadUndici } from '../../shared/lazy-undici.js';
import { Upstream } from './upstream.js';
import type { UpstreamOptions } from './upstream-call.js';

export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #onRefused: (target: Target) => void;
  readonly #byOrigin = new Map<string, Upstream>();

  /** @param onRefused called when no process listens at an instance */
  constructor(options: UpstreamOptions, onRefused: (target: Target) => void) {
    this.#options = options;
    this.#onRefused = onRefused;
    loadUndici().catch(() => undefined); // a request reports it
  }

  get(target: Target): Upstream {
    let upstream = this.#byOrigin.get(target.origin);
    if (upstream === undefined) {
      upstream = new Upstream(target, this.#options, () => this.#onRefused(target));
      this.#byOrigin.set(target.origin, upstream);
    }
    return upstream;
  }

  /** Whether an instance can be sent one more request, or has a place for it in its queue. */
  hasRoom(target: Target): boolean {
    const upstream = this.get(target);
    return upstream.hasRoom || upstream.queued < this.#options.maxQueue;
  }

  /** The state of the connections to an instance; zeros before the first request. */
  stats({ origin }: Pick<Target, 'origin'>): { readonly active: number; readonly queued: number } {
    const upstream = this.#byOrigin.get(origin);
    return { active: upstream?.active ?? 0, queued: upstream?.queued ?? 0 };
  }

  /** Closes the connections of a removed instance after its requests in flight. */
  remove({ origin }: Target): void {
    const upstream = this.#byOrigin.get(origin);
    if (upstream === undefined) return;
    this.#byOrigin.delete(origin);
    upstream.close().catch(() => undefined); // destroyed in the meantime, so it is closed anyway
  }

  async destroy(): Promise<void> {
    const upstreams = [...this.#byOrigin.values()];
    this.#byOrigin.clear();
    await Promise.all(upstreams.map((upstream) => upstream.destroy()));
  }
}
