/**
 * Figures that a report derives from its sections: cost per result, and an overview of the fleet. All functions are
 * pure.
 */
import type { Section, Sections } from './collect.js';
import type { SectionName } from './sources.js';

export interface CostEfficiency {
  /** Dollars spent in the current month, and on model providers since their records began; null if not available. */
  readonly spentThisMonth: number | null;
  readonly providerCost: number | null;
  readonly rounds: number | null;
  readonly mastered: number | null;
  /** Dollars of this month per round and per mastered topic so far; null without any round or topic. */
  readonly costPerRound: number | null;
  readonly costPerMastered: number | null;
}

export function costEfficiency(sections: Partial<Sections>): CostEfficiency {
  const training = dataOf(sections.training);
  const spent = dataOf(sections.budget)?.limits.find(({ limit }) => limit === 'monthly')?.used ?? null;
  const rounds = training?.totals.rounds ?? null;
  const mastered = training?.topics.reduce((sum, topic) => sum + topic.mastered, 0) ?? null;
  return {
    spentThisMonth: spent,
    providerCost: dataOf(sections.providers)?.total ?? null,
    rounds,
    mastered,
    costPerRound: perPiece(spent, rounds),
    costPerMastered: perPiece(spent, mastered),
  };
}

function dataOf<T>(section: Section<{ readonly data: T }> | undefined): T | undefined {
  return section?.available === true ? section.data : undefined;
}

function perPiece(cost: number | null, pieces: number | null): number | null {
  return cost === null || !pieces ? null : cost / pieces;
}

/** The available sections, and the reasons why others are missing. */
export function availability(
  sections: Partial<Sections>,
): Partial<Record<SectionName, { available: boolean; code?: string; reason?: string }>> {
  return Object.fromEntries(
    Object.entries(sections).map(([name, section]) => [
      name,
      section.available ? { available: true } : { available: false, code: section.code, reason: section.reason },
    ]),
  );
}
