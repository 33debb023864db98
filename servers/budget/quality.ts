/**
 * ProviderQualityLearner: which provider to ask first, from what was measured: how often it answers, how fast, at what
 * price. Pure; the calls come from the ledger's table.
 */

export interface MeasuredCall {
  readonly provider: string;
  readonly outcome: 'success' | 'failure' | 'abandoned';
  readonly latencyMs: number;
  readonly costMicros: number;
}

export interface ProviderQuality {
  readonly provider: string;
  readonly calls: number;
  readonly successRate: number | null;
  /** Lower end of the 95 % interval of the success rate: few calls are worth little confidence. */
  readonly successLowerBound: number;
  readonly medianLatencyMs: number | null;
  readonly meanCost: number | null;
  /** 0 to 1, higher is better; see `score`. */
  readonly score: number;
}

/** What a caller cares about; the three are weighed against each other and need not sum to 1. */
export interface Preference {
  readonly success: number;
  readonly latency: number;
  readonly cost: number;
}

export const BALANCED: Preference = { success: 0.6, latency: 0.2, cost: 0.2 };

const Z_95 = 1.96;

/** The lower end of Wilson's score interval (Wilson 1927): 0 for no calls, near the rate for many. */
export function wilsonLowerBound(successes: number, calls: number): number {
  if (calls === 0) return 0;
  const rate = successes / calls;
  const z2 = Z_95 * Z_95;
  const centre = rate + z2 / (2 * calls);
  const spread = Z_95 * Math.sqrt((rate * (1 - rate) + z2 / (4 * calls)) / calls);
  // Rounding must not carry the bound past either end.
  return Math.min(rate, Math.max(0, (centre - spread) / (1 + z2 / calls)));
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** 1 for the best (smallest) of all, falling in proportion; 1 where there is nothing to compare. */
function relative(value: number | null, best: number | null): number {
  if (value === null || best === null || value === 0) return 1;
  return best / value;
}

/** Every provider's quality, the best first. A provider never called has only the neutral part of its score. */
export function rankProviders(
  providers: readonly string[],
  calls: readonly MeasuredCall[],
  preference: Preference = BALANCED,
): ProviderQuality[] {
  const measured = providers.map((provider) =>
    measure(
      provider,
      calls.filter((call) => call.provider === provider),
    ),
  );
  const best = (pick: (one: Omit<ProviderQuality, 'score'>) => number | null): number | null => {
    const values = measured.map(pick).filter((value) => value !== null && value > 0) as number[];
    return values.length === 0 ? null : Math.min(...values);
  };
  const fastest = best(({ medianLatencyMs }) => medianLatencyMs);
  const cheapest = best(({ meanCost }) => meanCost);
  const total = preference.success + preference.latency + preference.cost || 1;
  return measured
    .map((one) => {
      const weighed =
        preference.success * one.successLowerBound +
        preference.latency * relative(one.medianLatencyMs, fastest) +
        preference.cost * relative(one.meanCost, cheapest);
      return { ...one, score: weighed / total };
    })
    .sort((a, b) => b.score - a.score || a.provider.localeCompare(b.provider));
}

function measure(provider: string, calls: readonly MeasuredCall[]): Omit<ProviderQuality, 'score'> {
  // An abandoned call says nothing of what the answer would have been.
  const decided = calls.filter(({ outcome }) => outcome !== 'abandoned');
  const good = decided.filter(({ outcome }) => outcome === 'success');
  const cost = mean(good.map(({ costMicros }) => costMicros));
  return {
    provider,
    calls: decided.length,
    successRate: decided.length === 0 ? null : good.length / decided.length,
    successLowerBound: wilsonLowerBound(good.length, decided.length),
    medianLatencyMs: median(good.map(({ latencyMs }) => latencyMs)),
    meanCost: cost === null ? null : cost / 1_000_000,
  };
}
