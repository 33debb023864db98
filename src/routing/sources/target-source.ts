/** The interface through which a router receives the list of instances. */
import type { TargetSpec, TargetUrl } from '../target.js';

/** An instance that a source reports. A draining instance keeps its requests and receives no new ones. */
export type DiscoveredTarget = (TargetSpec | TargetUrl) & { readonly draining?: boolean };

/**
 * Reports the complete set of instances of a service, at once or soon, and again on every change. A source that loses
 * the connection to its origin reports nothing: the last known set is better than an empty one.
 *
 * @example
 * import { proxyBalanced, type TargetSource } from '@tooloo/resilience';
 *
 * const source: TargetSource = {
 *   subscribe(_service, listener) {
 *     listener(['10.0.0.1', '10.0.0.2'].map((host) => ({ host, port: 8080 })));
 *     return () => undefined;
 *   },
 *   close: () => undefined,
 * };
 * app.use(proxyBalanced({ targets: source }));
 */
export interface TargetSource {
  /** Returns a function that ends the subscription. The listener is not called after that. */
  subscribe(service: string, listener: (targets: readonly DiscoveredTarget[]) => void): () => void;
  /** Ends every subscription and releases the resources of the source. A second call does nothing. */
  close(): void | Promise<void>;
}
