/** The connections to every instance, made when first needed and closed when the instance is gone and idle. */
import type { Target } from '../target.js';
import { Upstream, type UpstreamOptions } from './upstream.js';

export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #onRefused: (target: Target) => void;
  readonly #byOrigin = new Map<string, Upstream>();

  /** @param onRefused called when nobody listens at an instance any more */
  constructor(options: UpstreamOptions, onRefused: (target: Target) => void) {
    this.#options = options;
    this.#onRefused = onRefused;
  }

  get(target: Target): Upstream {
    let upstream = this.#byOrigin.get(target.origin);
    if (upstream === undefined) {
      upstream = new Upstream(target, this.#options, () => this.#onRefused(target));
      this.#byOrigin.set(target.origin, upstream);
    }
    return upstream;
  }

  /** What is known of an instance's connections; zeros before the first request. */
  stats({ origin }: Pick<Target, 'origin'>): { readonly active: number; readonly queued: number } {
    const upstream = this.#byOrigin.get(origin);
    return { active: upstream?.active ?? 0, queued: upstream?.queued ?? 0 };
  }

  /** Closes the connections of an instance that is gone, after what is in flight. */
  remove({ origin }: Target): void {
    const upstream = this.#byOrigin.get(origin);
    if (upstream === undefined) return;
    this.#byOrigin.delete(origin);
    upstream.close().catch(() => undefined); // destroyed meanwhile: closed all the same
  }

  async destroy(): Promise<void> {
    const upstreams = [...this.#byOrigin.values()];
    this.#byOrigin.clear();
    await Promise.all(upstreams.map((upstream) => upstream.destroy()));
  }
}
