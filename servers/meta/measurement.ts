/** Measures a learner, or one topic of a learner, from the rounds stored by the training service. No side effects. */
import { mean } from '../support/statistics.js';
import { expectedAt, fitCurve, type LearningCurve } from './learning-curve.js';
import { detectPlateau, predictPlateau, type Forecast, type PlateauResult } from './plateau.js';
import { fitForgetting, type ForgettingCurve } from './retention.js';
import type { TrainingRound } from './training-client.js';

export interface Measurement {
  readonly rounds: number;
  readonly meanScore: number | null;
  /** Mean score of the latest ten rounds. */
  readonly recentScore: number | null;
  /** Score gained per round: the mean slope of the fitted curve. */
  readonly velocity: number | null;
  /** Milliseconds of pause in which a score halves; null if that cannot be measured. */
  readonly halfLife: number | null;
}

export interface TopicReport extends Measurement {
  readonly topic: string;
  readonly curve: LearningCurve | null;
  readonly plateau: PlateauResult;
  readonly forecast: Forecast | null;
  readonly forgetting: ForgettingCurve | null;
  /** Recommendations derived from the figures above, as sentences. */
  readonly advice: readonly string[];
}

export interface ReportOptions {
  readonly window: number;
  readonly minSlope: number;
}

const RECENT = 10;
/** A curve is fitted to at most this many of the latest scores. */
const MAX_FITTED = 1000;

export function measure(rounds: readonly TrainingRound[]): Measurement {
  const scores = rounds.map(({ score }) => score);
  const curve = curveOf(rounds);
  return {
    rounds: rounds.length,
    meanScore: scores.length === 0 ? null : mean(scores),
    recentScore: scores.length === 0 ? null : mean(scores.slice(-RECENT)),
    velocity: curve === undefined ? null : velocityOf(curve),
    halfLife: fitForgetting(pauses(rounds))?.halfLife ?? null,
  };
}

/** Mean gain per round along the fitted curve. */
function velocityOf(curve: LearningCurve): number {
  const { rounds } = curve;
  return rounds < 2 ? 0 : (expectedAt(curve, rounds) - expectedAt(curve, 1)) / (rounds - 1);
}

export function curveOf(rounds: readonly TrainingRound[]): LearningCurve | undefined {
  return fitCurve(rounds.slice(-MAX_FITTED).map(({ score }) => score));
}

/** The rounds that follow an earlier round of the same topic, with the pause in between. */
export function pauses(rounds: readonly TrainingRound[]): { elapsed: number; score: number }[] {
  return rounds.flatMap(({ elapsed, score }) => (elapsed === null ? [] : { elapsed, score }));
}

/** Groups rounds by topic. The topics are in the order of their first round. */
export function byTopic(rounds: readonly TrainingRound[]): Map<string, TrainingRound[]> {
  const topics = new Map<string, TrainingRound[]>();
  for (const round of rounds) {
    const known = topics.get(round.topic);
    if (known === undefined) topics.set(round.topic, [round]);
    else known.push(round);
  }
  return topics;
}

/** The full report for one topic. */
export function reportTopic(topic: string, rounds: readonly TrainingRound[], options: ReportOptions): TopicReport {
  const curve = curveOf(rounds) ?? null;
  const plateau = detectPlateau(
    rounds.map(({ score }) => score),
    options,
  );
  const forgetting = fitForgetting(pauses(rounds)) ?? null;
  return {
    topic,
    ...measure(rounds),
    curve,
    plateau,
    forecast: curve === null ? null : predictPlateau(curve, options.minSlope),
    forgetting,
    advice: advise(plateau, forgetting),
  };
}

const HOUR = 3_600_000;

function advise({ state }: PlateauResult, forgetting: ForgettingCurve | null): string[] {
  const advice: Record<PlateauResult['state'], string | undefined> = {
    unknown: 'play more rounds: there are too few to judge',
    rising: undefined,
    falling: 'scores fall: go back to easier challenges, or review what came before',
    plateau: 'scores stand still below what is possible: change the kind of challenge or its difficulty',
    ceiling: 'nothing is left to gain here: move on and only review',
    unclear: 'scores vary too much to judge: keep the difficulty steady for some rounds',
  };
  const sentences = advice[state] === undefined ? [] : [advice[state]];
  if (forgetting?.halfLife != null) {
    sentences.push(
      `scores halve after a pause of ${(forgetting.halfLife / HOUR).toFixed(1)} hours: review sooner than that`,
    );
  }
  return sentences;
}
