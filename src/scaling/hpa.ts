/**
 * The formula of Kubernetes' HorizontalPodAutoscaler for one load: desired = ceil(instances · value / target). Missing
 * or starting instances never reverse or increase a change.
 */
import type { LoadRule } from './policy.js';

export interface LoadReading {
  /** Values of the ready instances that reported one. */
  readonly values: readonly number[];
  /** Number of ready instances without a known value. */
  readonly missing: number;
  /** Number of starting instances, including launches that are not reported yet. */
  readonly warming: number;
  /** Assumed value of a missing instance if the service would shrink. */
  readonly full: number;
  /** Maximum number of instances to request, as a multiple of the ready ones. Default: no limit. */
  readonly growth?: number;
}

export interface LoadAdvice {
  /** Mean over the reported values; undefined without any. */
  readonly value: number | undefined;
  /** The mean including assumed values for missing and starting instances. The advice is based on it. */
  readonly adjusted: number | undefined;
  /** Undefined if no instance reported: no advice. */
  readonly desired: number | undefined;
}

/** Prevents that a floating-point error in 3 · (0.7 / 0.3) requests one more instance. */
const ROUNDING = 1e-9;

const ceil = (value: number): number => Math.max(0, Math.ceil(value - ROUNDING));

/**
 * Number of instances that this load requires, including those that start. It increases with each value, and a
 * correction never reverses its direction.
 */
export function adviseLoad({ target, up, down }: LoadRule, reading: LoadReading): LoadAdvice {
  const { values, missing, warming, full, growth = Infinity } = reading;
  const current = values.length + missing + warming;
  if (values.length === 0) return { value: undefined, adjusted: undefined, desired: undefined };
  const sum = values.reduce((total, value) => total + value, 0);
  const value = sum / values.length;
  if (value > up) {
    // Unknown and starting instances count as idle, so that instances on their way are not ordered twice.
    const adjusted = sum / current;
    const wanted = Math.min(ceil((current * adjusted) / target), (values.length + missing) * growth);
    return { value, adjusted, desired: adjusted > up ? Math.max(current, wanted) : current };
  }
  if (value < down) {
    const counted = values.length + missing;
    const adjusted = (sum + missing * full) / counted;
    return {
      value,
      adjusted,
      desired: adjusted < down ? Math.min(current, ceil((counted * adjusted) / target)) : current,
    };
  }
  return { value, adjusted: value, desired: current };
}
