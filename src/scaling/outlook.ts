/** How a trusted forecast judges a load that ends: whether the load was expected, and whether more follows. */
import type { ForecastAdvice, MetricAdvice } from './decision.js';

/** The forecast's view of the current recommendation and of the coming down window, in instances. */
export interface Outlook {
  /** The part of this recommendation that was not forecast. */
  readonly unforeseen: number;
  /** The highest forecast request within the down window. */
  readonly ahead: number;
}

/**
 * Undefined if the forecast is not trusted. Requests above the forecast, and those of any other metric, count as not
 * forecast.
 *
 * @param tolerance share above the expected load that does not count as a deviation
 */
export function outlookOf(
  forecast: ForecastAdvice | null,
  metrics: readonly MetricAdvice[],
  tolerance: number,
): Outlook | undefined {
  if (forecast === null || forecast.ahead === null) return undefined;
  const { metric: followed, current, expected, ahead } = forecast;
  const isExpected = current !== null && expected !== null && current <= expected * (1 + tolerance);
  let unforeseen = 0;
  for (const { metric, desired } of metrics) {
    if (desired !== null && !(isExpected && metric === followed)) unforeseen = Math.max(unforeseen, desired);
  }
  return { unforeseen, ahead };
}
