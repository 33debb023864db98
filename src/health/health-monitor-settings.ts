/** The settings of checks, and the status of a service from those of its instances. */
import { count, positive, string, type Check } from '../shared/options.js';
import type { CheckSettings } from './health-monitor-types.js';
import type { HealthStatus } from './instance-watch.js';

/** What the settings of a check must be. */
export const SETTINGS_CHECKS = {
  checkInterval: positive,
  fastInterval: positive,
  timeout: positive,
  rise: count(),
  fall: count(),
  path: string,
} satisfies Record<keyof CheckSettings, Check>;

export const DEFAULTS = { checkInterval: 6000, fastInterval: 1000, timeout: 2000, rise: 2, fall: 3, path: '/health' };

/** Whether traffic is sent there. */
export const isUp = (status: HealthStatus): boolean => status === 'healthy' || status === 'degraded';

/** The status of a service from the statuses of its instances. Instances that were never checked do not count. */
export function combine(statuses: readonly HealthStatus[]): HealthStatus {
  const known = statuses.filter((status) => status !== 'unknown');
  if (known.length === 0) return 'unknown';
  if (known.every((status) => status === 'healthy')) return 'healthy';
  return known.some(isUp) ? 'degraded' : 'unhealthy';
}

/** 'host:port', with an IPv6 address in brackets. */
export function idOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
