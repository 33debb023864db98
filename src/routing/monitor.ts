/** The interface that routing needs of a component with active health checks, such as HealthMonitor. */

export type InstanceStatus = 'unknown' | 'healthy' | 'degraded' | 'unhealthy';

/** The status of one instance. */
export interface MonitoredInstance {
  /** `host:port`. */
  readonly id: string;
  readonly status: InstanceStatus;
}

/**
 * A component with active health checks that a router follows. HealthMonitor implements it.
 *
 * @example
 * import { HealthMonitor, IntelligentRouter, type InstanceMonitor } from '@tooloo/resilience';
 *
 * const monitor: InstanceMonitor = new HealthMonitor();
 * const router = new IntelligentRouter({ monitor });
 */
export interface InstanceMonitor {
  /** The instances of a service that it checks. An instance it does not know may still receive requests. */
  getHealth(service: string): { readonly instances: readonly MonitoredInstance[] } | undefined;
  /** Calls back when the status of an instance changed. Returns a function that ends the subscription. */
  onInstanceChange(callback: (change: { readonly service: string }) => unknown): () => void;
}
