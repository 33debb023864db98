/** The request figures of several processes as those of one service. */

/** As in `tracer` of `/api/v1/system/observability`. Latencies are in milliseconds. */
export interface RequestFigures {
  readonly totalRequests: number;
  readonly averageLatency: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly errorRate: number;
  readonly throughput: number;
}

/**
 * Combines the figures of several instances. Counters are added. Rates and medians are weighted by the number of
 * requests; the combined median is an estimate. For high percentiles the highest value is used, because the percentile
 * over all instances cannot exceed it.
 */
export function addUp(parts: readonly RequestFigures[]): RequestFigures {
  const sum = (pick: (one: RequestFigures) => number): number => parts.reduce((total, one) => total + pick(one), 0);
  const highest = (pick: (one: RequestFigures) => number): number => Math.max(0, ...parts.map(pick));
  const totalRequests = sum((one) => one.totalRequests);
  const weighted = (pick: (one: RequestFigures) => number): number =>
    totalRequests === 0 ? 0 : sum((one) => pick(one) * one.totalRequests) / totalRequests;
  return {
    totalRequests,
    averageLatency: weighted((one) => one.averageLatency),
    p50: weighted((one) => one.p50),
    p95: highest((one) => one.p95),
    p99: highest((one) => one.p99),
    errorRate: weighted((one) => one.errorRate),
    throughput: sum((one) => one.throughput),
  };
}
