/** A decision in one sentence. */
import type { MetricAdvice, ScalingDecision } from './decision.js';
import type { DemandReading } from './demand.js';
import type { InstanceCounts } from './fleet-samples.js';

export interface ReasonParts {
  readonly desired: number;
  readonly current: number;
  readonly min: number;
  readonly max: number;
  readonly instances: InstanceCounts;
  readonly steps: ScalingDecision['steps'];
  readonly metrics: readonly MetricAdvice[];
  readonly unknown: readonly string[];
  readonly demand: DemandReading | undefined;
  readonly isPanic: boolean;
}

const plural = (count: number): string => `${count} instance${count === 1 ? '' : 's'}`;
const round = (value: number): number => Math.round(value * 10) / 10;

/** Explains why there should be `desired` instances. */
export function reasonOf(parts: ReasonParts): string {
  const { desired, current, min, max, instances, steps, metrics, unknown, demand, isPanic } = parts;
  if (current < min && desired === min) return `fewer than the least of ${min}`;
  if (current > max) return `more than the most of ${max}`;
  const asked =
    steps.forecast > steps.reactive
      ? `the forecast asks for ${plural(steps.forecast)}`
      : causeOf(metrics, steps.reactive, current);
  const cause = `${asked}${feltBy(demand, steps.forecast > current)}`;
  if (desired !== current) return isPanic && desired > current ? `${cause}, in panic` : cause;
  if (steps.bounded > current)
    return `${cause}, held back by ${steps.stabilized > current ? 'the pace' : 'the up window'}`;
  if (Math.max(steps.forecast, steps.reactive) > max) return `${cause}, but ${max} is the most`;
  if (steps.bounded < current) return `${cause}, held by ${downHold(steps, current, isPanic)}`;
  if (unknown.length > 0) return `no shrinking without ${unknown.join(', ')}`;
  if (instances.warming > 0) return `${plural(instances.warming)} on the way`;
  return cause;
}

/** The effect on callers, if the service grows. */
function feltBy(demand: DemandReading | undefined, isGrowth: boolean): string {
  if (demand === undefined || !isGrowth) return '';
  const { inFlight, waiting, latency, saturated } = demand;
  const silent = saturated.length > 0 ? [`${saturated.join(', ')} too busy to report`] : [];
  const sent = inFlight > 0 ? [`callers have ${inFlight} in flight`] : [];
  const queued = waiting > 0 ? [`${waiting} waiting`] : [];
  const slow = inFlight > 0 && latency !== null ? [`a latency of ${Math.round(latency)} ms`] : [];
  const felt = [...silent, ...sent, ...queued, ...slow].join(', ');
  return felt === '' ? '' : ` (${felt})`;
}

function downHold(steps: ScalingDecision['steps'], current: number, isPanic: boolean): string {
  if (isPanic) return 'the panic';
  return steps.stabilized >= current ? 'the down window' : 'the pace';
}

/**
 * The metric that determined the result, in words. Of several metrics a symptom is preferred, because it is more
 * specific; symptoms come last.
 */
function causeOf(metrics: readonly MetricAdvice[], reactive: number, current: number): string {
  const decisive = metrics.findLast(({ desired }) => desired === reactive);
  if (decisive === undefined || decisive.value === null) return 'nothing asks for a change';
  const { metric, value, up, down, note, desired } = decisive;
  const figure = `${metric} ${round(value)}`;
  if (note === 'no effect') return `${figure} above ${up}, but the last step did not help`;
  if (desired! > current) return `${figure} above ${up} asks for ${plural(desired!)}`;
  if (desired! < current) return `${figure} below ${down} asks for ${plural(desired!)}`;
  return `${figure} asks for no change`;
}
