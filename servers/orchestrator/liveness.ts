/** Who notices an instance that runs but does not answer any more; the scaling manager replaces it. */
import { HealthMonitor } from '../../src/index.js';

export interface LivenessSettings {
  /** Milliseconds between two looks at an instance. */
  readonly checkInterval: number;
  /** Milliseconds an answer may take. */
  readonly timeout: number;
  /** Looks in a row without an answer, after which the instance is ended. */
  readonly fall: number;
}

/**
 * Patient on purpose: a service that is merely busy answers late, and to end it then would hand its load to the others.
 */
export const PATIENT: LivenessSettings = { checkInterval: 10_000, timeout: 5_000, fall: 3 };

/** Asks `/livez`, which says nothing of what the instance depends on: that is no reason to end it. */
export function livenessMonitor(settings: LivenessSettings = PATIENT): HealthMonitor {
  return new HealthMonitor({ ...settings, fastInterval: settings.checkInterval, path: '/livez' });
}
