/** Detects an instance that runs but no longer answers. The scaling manager checks it again and replaces it. */
import { HealthMonitor } from '../../src/index.js';

export interface LivenessSettings {
  /** Milliseconds between two checks of an instance. */
  readonly checkInterval: number;
  /** Milliseconds allowed for a response. */
  readonly timeout: number;
  /** Number of consecutive failed checks after which the instance counts as stalled. */
  readonly fall: number;
  /** Milliseconds without progress after the failed checks, before the instance is replaced. Default 15,000. */
  readonly stallWindow?: number;
}

/** Long limits on purpose, because a busy service answers late. To end it would move its load to the others. */
export const PATIENT: LivenessSettings = { checkInterval: 10_000, timeout: 5_000, fall: 3 };

/** Checks `/livez`, which ignores the dependencies of an instance. A failed dependency is no reason to replace it. */
export function livenessMonitor(settings: LivenessSettings = PATIENT): HealthMonitor {
  const { checkInterval, timeout, fall } = settings;
  return new HealthMonitor({ checkInterval, timeout, fall, fastInterval: checkInterval, path: '/livez' });
}
