/**
 * The formula of Kubernetes' HorizontalPodAutoscaler for one load: desired = ceil(instances · value / target), careful
 * about what is not known: it never lets missing or starting instances turn or enlarge a change.
 */
import type { LoadRule } from './policy.js';

export interface LoadReading {
  /** Of the ready instances that reported it. */
  readonly values: readonly number[];
  /** Ready instances whose value is not known. */
  readonly missing: number;
  /** Instances that start, launches ordered but not seen yet included. */
  readonly warming: number;
  /** What a missing instance counts as when the service would shrink. */
  readonly full: number;
  /** Most instances it may ask for, as a multiple of those that are ready. Default: no such bound. */
  readonly growth?: number;
}

export interface LoadAdvice {
  /** Mean over those that reported; undefined when none did. */
  readonly value: number | undefined;
  /** The mean with missing and starting instances put in, which the advice rests on. */
  readonly adjusted: number | undefined;
  /** Undefined: nobody reported, no advice. */
  readonly desired: number | undefined;
}

/** So that 3 · (0.7 / 0.3) does not become one instance more by the last bit of a float. */
const ROUNDING = 1e-9;

const ceil = (value: number): number => Math.max(0, Math.ceil(value - ROUNDING));

/** How many instances this load asks for, counting those that start. Grows with every value, never beyond one direction. */
export function adviseLoad({ target, up, down }: LoadRule, reading: LoadReading): LoadAdvice {
  const { values, missing, warming, full, growth = Infinity } = reading;
  const current = values.length + missing + warming;
  if (values.length === 0) return { value: undefined, adjusted: undefined, desired: undefined };
  const sum = values.reduce((total, value) => total + value, 0);
  const value = sum / values.length;
  if (value > up) {
    // Those not known and those not ready yet are taken to be idle: what is on its way is not ordered twice.
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
