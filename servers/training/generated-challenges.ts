/** Generates challenges from a seed for topics without a challenge in the bank: arithmetic and orderings. */
import type { ChallengeKind, NewChallenge, Solution } from './challenge.js';
import { seededRandom, shuffled, wholeNumber } from '../support/seeded-random.js';

type Random = () => number;

/** Operators by difficulty: first sums, then products, then both with brackets. */
const OPERATORS = [
  ['+', '-'],
  ['+', '-'],
  ['+', '-', '*'],
  ['*', '+', '-'],
  ['*', '-', '+'],
] as const;

/** Kinds of challenge that can be generated. */
export const GENERATED_KINDS = ['numeric', 'ordering'] as const satisfies readonly ChallengeKind[];
export type GeneratedKind = (typeof GENERATED_KINDS)[number];

/** Generates a challenge. The same arguments always give the same challenge. */
export function generateChallenge(topic: string, kind: GeneratedKind, difficulty: number, seed: number): NewChallenge {
  const random = seededRandom(seed);
  const made = kind === 'numeric' ? arithmetic(random, difficulty) : ordering(random, difficulty);
  return { topic, difficulty, ...made };
}

interface Made {
  readonly prompt: string;
  readonly solution: Solution;
}

/** Difficulty d gives d + 1 operands of up to 10·d. */
function arithmetic(random: Random, difficulty: number): Made {
  const operators = OPERATORS[difficulty - 1] ?? OPERATORS[0];
  const operand = (): number => wholeNumber(random, 2, 10 * difficulty);
  let text = String(operand());
  let value = Number(text);
  for (let i = 0; i < difficulty; i++) {
    const operator = operators[wholeNumber(random, 0, operators.length - 1)]!;
    const next = operand();
    // Brackets enclose everything so far, so the value is computed from left to right.
    text = i === 0 ? `${text} ${operator} ${next}` : `(${text}) ${operator} ${next}`;
    value = operator === '+' ? value + next : operator === '-' ? value - next : value * next;
  }
  return { prompt: `Compute ${text}.`, solution: { kind: 'numeric', value, tolerance: 0, relative: 0 } };
}

/** Difficulty d gives d + 2 numbers. A higher difficulty places them closer together. */
function ordering(random: Random, difficulty: number): Made {
  const numbers = new Set<number>();
  while (numbers.size < difficulty + 2) numbers.add(wholeNumber(random, -50, 50) * (6 - difficulty) + numbers.size);
  const items = [...numbers].sort((a, b) => a - b).map(String);
  return { prompt: 'Put the numbers in ascending order.', solution: { kind: 'ordering', items } };
}

/** The part of a solution that the learner may see: the items of an ordering, shuffled by the seed. Otherwise empty. */
export function visiblePart(solution: Solution, seed: number): { readonly items?: readonly string[] } {
  return solution.kind === 'ordering' ? { items: shuffled(seededRandom(seed), solution.items) } : {};
}
