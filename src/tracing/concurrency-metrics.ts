/** The metrics of a limit on requests in flight. */
import type { ExposedMetric } from './exposition.js';
import { MetricFamilies } from './metric-families.js';

/** The part of `ConcurrencyLimiter.getStats()` that `concurrencyMetrics` exposes. */
export interface ConcurrencyFigures {
  readonly refused: number;
  readonly keys: Readonly<
    Record<string, { readonly limit: number; readonly inFlight: number; readonly waiting: number }>
  >;
}

/**
 * Of `ConcurrencyLimiter.getStats()`: by the key of the limit.
 *
 * @example
 * import { ConcurrencyLimiter, concurrencyMetrics, createMetrics } from '@tooloo/resilience';
 *
 * const limiter = new ConcurrencyLimiter({ limit: 10 });
 * createMetrics().addSource('reports', () => concurrencyMetrics(limiter.getStats()));
 */
export function concurrencyMetrics({ refused, keys }: ConcurrencyFigures): ExposedMetric[] {
  const families = new MetricFamilies().counter(
    'tooloo_concurrency_limit_refused',
    'Requests refused because too many were in flight.',
    refused,
  );
  for (const [key, { limit, inFlight, waiting }] of Object.entries(keys)) {
    families
      .gauge('tooloo_concurrency_limit', 'Most requests in flight now.', limit, { key })
      .gauge('tooloo_concurrency_limit_in_flight', 'Requests in flight.', inFlight, { key })
      .gauge('tooloo_concurrency_limit_waiting', 'Requests waiting for a slot.', waiting, { key });
  }
  return families.list;
}
