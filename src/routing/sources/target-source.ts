/** Where a router learns which instances there are. */
import type { TargetSpec, TargetUrl } from '../target.js';

/** An instance a source tells of. One that drains keeps what it has and gets nothing new. */
export type DiscoveredTarget = (TargetSpec | TargetUrl) & { readonly draining?: boolean };

/**
 * Tells the whole set of instances of a service, at once or soon, and again whenever it changes. A source that loses
 * touch with where it learns from keeps quiet: the last known set serves better than none.
 */
export interface TargetSource {
  /** Returns what ends the subscription. The listener is not called after that. */
  subscribe(service: string, listener: (targets: readonly DiscoveredTarget[]) => void): () => void;
  /** Ends every subscription and releases what the source holds. Again: nothing happens. */
  close(): void | Promise<void>;
}
