/** What routing needs of whoever checks instances actively; HealthMonitor is one. */

export type InstanceStatus = 'unknown' | 'healthy' | 'degraded' | 'unhealthy';

export interface MonitoredInstance {
  /** `host:port`. */
  readonly id: string;
  readonly status: InstanceStatus;
}

export interface InstanceMonitor {
  /** The instances of a service it checks; one it does not know of is not held against the instance. */
  getHealth(service: string): { readonly instances: readonly MonitoredInstance[] } | undefined;
  /** Calls back whenever the status of any instance changed. Returns what ends the subscription. */
  onInstanceChange(callback: (change: { readonly service: string }) => unknown): () => void;
}
