import { runInNewContext } from 'node:vm';
import fc from '../../support/fast-check.js';
import { newChallenge } from '../../../servers/training/challenge.js';
import { generateChallenge, visiblePart } from '../../../servers/training/generated-challenges.js';
import { grade } from '../../../servers/training/grading.js';
import { seededRandom, shuffled, wholeNumber } from '../../../servers/support/seeded-random.js';

const seed = fc.nat(2 ** 31 - 1);
const difficulty = fc.integer({ min: 1, max: 5 });
const kind = fc.constantFrom('numeric' as const, 'ordering' as const);

test('a seed makes the same challenge each time, and a valid one', () => {
  fc.assert(
    fc.property(kind, difficulty, seed, (what, hard, from) => {
      const made = generateChallenge('arithmetic', what, hard, from);
      expect(generateChallenge('arithmetic', what, hard, from)).toEqual(made);
      expect(newChallenge.parse(made)).toEqual(made);
    }),
  );
});

test('the expected value is the value of the expression in the prompt', () => {
  fc.assert(
    fc.property(difficulty, seed, (hard, from) => {
      const { prompt, solution } = generateChallenge('arithmetic', 'numeric', hard, from);
      const formula = /^Compute ([\d\s()+*-]+)\.$/.exec(prompt)![1]!;
      const value: unknown = runInNewContext(formula);
      expect(grade(solution, String(value)).score).toBe(1);
      expect(grade(solution, Number(value) + 1).score).toBe(0);
    }),
  );
});

test('the learner sees the items of an ordering, shuffled, and sorting them solves it', () => {
  fc.assert(
    fc.property(difficulty, seed, (hard, from) => {
      const { solution } = generateChallenge('numbers', 'ordering', hard, from);
      const { items } = visiblePart(solution, from);
      expect(items).toHaveLength(hard + 2);
      const sorted = [...items!].sort((a, b) => Number(a) - Number(b));
      expect(grade(solution, sorted).score).toBe(1);
    }),
  );
});

test('the solution of any other kind is not visible', () => {
  expect(visiblePart({ kind: 'numeric', value: 4, tolerance: 0, relative: 0 }, 1)).toEqual({});
});

test('seeded numbers repeat, fill their range and shuffle evenly', () => {
  const first = seededRandom(7);
  const again = seededRandom(7);
  const numbers = Array.from({ length: 4000 }, () => first());
  expect(Array.from({ length: 4000 }, () => again())).toEqual(numbers);
  expect(Math.min(...numbers)).toBeLessThan(0.01);
  expect(Math.max(...numbers)).toBeGreaterThan(0.99);
  const random = seededRandom(1);
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) counts[shuffled(random, ['a', 'b', 'c']).indexOf('a')]!++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  expect(wholeNumber(() => 0.999999, 1, 6)).toBe(6);
});
