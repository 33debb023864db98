/**
 * ProviderQualityLearner: ranks the providers by measured success rate, latency and price. Its functions are pure; the
 * calls come from the ledger's table.
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
  /** Number of recent calls, including calls that were cancelled because another provider answered first. */
  readonly asked: number;
  readonly successRate: number | null;
  /** Lower bound of the 95 % interval of the success rate. It is low if there are few calls. */
  readonly successLowerBound: number;
  readonly medianLatencyMs: number | null;
  readonly meanCost: number | null;
  /** 0 to 1, higher is better; see `score`. */
  readonly score: number;
}

/** The preferences of a caller. The three weights are relative and need not add up to 1. */
export interface Preference {
  readonly success: number;
  readonly latency: number;
  readonly cost: number;
}

export const BALANCED: Preference = { success: 0.6, latency: 0.2, cost: 0.2 };

const Z_95 = 1.96;

/** The lower bound of Wilson's score interval (Wilson 1927): 0 without calls, close to the rate for many calls. */
export function wilsonLowerBound(successes: number, calls: number): number {
  if (calls === 0) return 0;
  const rate = successes / calls;
  const z2 = Z_95 * Z_95;
  const centre = rate + z2 / (2 * calls);
  const spread = Z_95 * Math.sqrt((rate * (1 - rate) + z2 / (4 * calls)) / calls);
  // A rounding error must not move the bound outside the range.
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

/** 1 for the best (smallest) value, lower in proportion for others; 1 if there is nothing to compare. */
function relative(value: number | null, best: number | null): number {
  if (value === null || best === null || value === 0) return 1;
  return best / value;
}

/** The quality of all providers, best first. A provider without calls has only the neutral part of its score. */
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
  // An abandoned call does not show what the answer would have been.
  const decided = calls.filter(({ outcome }) => outcome !== 'abandoned');
  const good = decided.filter(({ outcome }) => outcome === 'success');
  const cost = mean(good.map(({ costMicros }) => costMicros));
  return {
    provider,
    calls: decided.length,
    asked: calls.length,
    successRate: decided.length === 0 ? null : good.length / decided.length,
    successLowerBound: wilsonLowerBound(good.length, decided.length),
    medianLatencyMs: median(good.map(({ latencyMs }) => latencyMs)),
    meanCost: cost === null ? null : cost / 1_000_000,
  };
}

/** A provider with fewer calls than this counts as new. */
const NEW = 10;
/** Share of bursts in which a known provider outside the best is tried again. */
const FLOOR = 0.05;
/** The same share for a new provider, if bursts have only one provider. */
const FLOOR_ALONE = 0.1;

/**
 * Chooses the providers to call: the best ones, and sometimes another one in the last place. Without this, a ranking
 * never discovers a better provider (an epsilon-greedy bandit with a floor). The new provider with the fewest calls
 * gets the last place until it is known. All other providers share a floor of 5 % of the bursts. If a burst has one
 * provider, a new one gets 10 %.
 */
export function chooseProviders<T extends { readonly asked: number }>(
  ranked: readonly T[],
  count: number,
  random: () => number = Math.random,
): T[] {
  const best = ranked.slice(0, count);
  const others = ranked.slice(count);
  if (best.length === 0 || others.length === 0) return best;
  const fresh = others.filter(({ asked }) => asked < NEW).sort((a, b) => a.asked - b.asked)[0];
  const last = best[best.length - 1]!;
  if (fresh !== undefined) {
    if (count === 1 ? random() < FLOOR_ALONE : last.asked >= fresh.asked) best[best.length - 1] = fresh;
  } else if (random() < FLOOR) best[best.length - 1] = others[Math.floor(random() * others.length)]!;
  return best;
}
