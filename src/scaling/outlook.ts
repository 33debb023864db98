/** What a trusted forecast knows of a load that ends: that it would, and whether more comes. */
import type { ForecastAdvice, MetricAdvice } from './decision.js';

/** How a forecast sees the recommendations of now and of the down window to come, in instances. */
export interface Outlook {
  /** The part of this recommendation that it had not foreseen. */
  readonly unforeseen: number;
  /** The most that it asks for within the down window. */
  readonly ahead: number;
}

/**
 * Undefined where the forecast is not trusted. What it did not expect, and what any other metric asks for, is unforeseen.
 *
 * @param tolerance share above the expected load that is no deviation
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
