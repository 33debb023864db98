/**
 * Fits a curve to the scores of a learner over successive rounds: a power law, an exponential towards a ceiling, or a
 * constant. The scores decide which one (Newell & Rosenbloom 1981; Heathcote, Brown & Mewhort 2000).
 */
import { fitLine, mean } from '../support/statistics.js';

export type CurveKind = 'power' | 'exponential' | 'constant';

export interface LearningCurve {
  readonly kind: CurveKind;
  /** Score that the curve approaches: expected(∞). */
  readonly asymptote: number;
  /** Difference between the asymptote and the first round; negative if scores fall. */
  readonly gain: number;
  /** Speed: the exponent of the power law, or the decay per round. 0 for a constant. */
  readonly rate: number;
  /** Number of rounds the curve was fitted to. */
  readonly rounds: number;
  /** Share of the variance that the curve explains, 0 to 1. */
  readonly r2: number;
  /** Root mean squared error. */
  readonly rmse: number;
  /** Corrected Akaike information criterion: lower is better. It penalizes additional parameters. */
  readonly aicc: number;
}

/** Minimum number of rounds for a curve with three parameters. */
export const MIN_ROUNDS = 6;

/** Share of the gain that remains at round n (from 1): 1 at the first round, then falling towards 0. */
const SHAPES: Readonly<Record<Exclude<CurveKind, 'constant'>, (n: number, rate: number) => number>> = {
  power: (n, rate) => n ** -rate,
  exponential: (n, rate) => Math.exp(-rate * (n - 1)),
};

const MIN_RATE = 0.001;
const MAX_RATE = 5;
const GRID = 60;

/** The expected score in round n (from 1), limited to 0 to 1. */
export function expectedAt(curve: LearningCurve, n: number): number {
  return Math.min(1, Math.max(0, rawAt(curve, n)));
}

function rawAt(
  { kind, asymptote, gain, rate }: Pick<LearningCurve, 'kind' | 'asymptote' | 'gain' | 'rate'>,
  n: number,
): number {
  return kind === 'constant' ? asymptote : asymptote - gain * SHAPES[kind](n, rate);
}

/** Returns the curve with the lowest AICc, or undefined if there are no scores. */
export function fitCurve(scores: readonly number[]): LearningCurve | undefined {
  if (scores.length === 0) return undefined;
  const constant = describe(scores, { kind: 'constant', asymptote: mean(scores), gain: 0, rate: 0 });
  if (scores.length < MIN_ROUNDS) return constant;
  const candidates = [constant, fitShape(scores, 'power'), fitShape(scores, 'exponential')];
  return candidates.reduce((best, one) => (one.aicc < best.aicc ? one : best));
}

/**
 * Least squares by variable projection. For a given rate, the other two parameters follow from a linear fit, so only
 * the rate is searched. The search uses a logarithmic grid, then golden section around its best point.
 */
function fitShape(scores: readonly number[], kind: Exclude<CurveKind, 'constant'>): LearningCurve {
  const at = (logRate: number) => {
    const rate = Math.exp(logRate);
    const { slope, intercept } = fitLine(
      scores.map((_, i) => SHAPES[kind](i + 1, rate)),
      scores,
    );
    // An asymptote above the maximum score would predict progress that is impossible.
    const asymptote = Math.min(1, Math.max(0, intercept));
    const gain = asymptote === intercept ? -slope : gainTowards(scores, kind, rate, asymptote);
    return describe(scores, { kind, asymptote, gain, rate });
  };
  const [from, to] = [Math.log(MIN_RATE), Math.log(MAX_RATE)];
  const step = (to - from) / GRID;
  let best = from;
  for (let i = 1; i <= GRID; i++) if (at(from + i * step).rmse < at(best).rmse) best = from + i * step;
  return at(goldenSection((logRate) => at(logRate).rmse, best - step, best + step));
}

/** The best gain for a given asymptote. */
function gainTowards(
  scores: readonly number[],
  kind: Exclude<CurveKind, 'constant'>,
  rate: number,
  asymptote: number,
): number {
  let above = 0;
  let below = 0;
  scores.forEach((score, i) => {
    const left = SHAPES[kind](i + 1, rate);
    above += (asymptote - score) * left;
    below += left * left;
  });
  return above / below;
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const STEPS = 40;

/** Minimum of a function with a single local minimum between `low` and `high`. */
export function goldenSection(f: (x: number) => number, low: number, high: number): number {
  let [a, b] = [low, high];
  for (let i = 0; i < STEPS; i++) {
    const span = GOLDEN * (b - a);
    if (f(b - span) < f(a + span)) b = a + span;
    else a = b - span;
  }
  return (a + b) / 2;
}

const PARAMETERS: Readonly<Record<CurveKind, number>> = { constant: 1, power: 3, exponential: 3 };
/** Smaller errors are rounding errors. Without this limit their logarithm would dominate the comparison. */
const SMALLEST_ERROR = 1e-12;

function describe(
  scores: readonly number[],
  shape: Pick<LearningCurve, 'kind' | 'asymptote' | 'gain' | 'rate'>,
): LearningCurve {
  const n = scores.length;
  const centre = mean(scores);
  let squared = 0;
  let total = 0;
  scores.forEach((score, i) => {
    squared += (score - rawAt(shape, i + 1)) ** 2;
    total += (score - centre) ** 2;
  });
  const k = PARAMETERS[shape.kind] + 1; // the variance of the errors is a parameter too
  return {
    ...shape,
    rounds: n,
    r2: total === 0 ? 0 : Math.max(0, 1 - squared / total),
    rmse: Math.sqrt(squared / n),
    aicc: n * Math.log(Math.max(SMALLEST_ERROR, squared / n)) + 2 * k + (2 * k * (k + 1)) / Math.max(1, n - k - 1),
  };
}
