import fc from '../../support/fast-check.js';
import { solution, type Solution } from '../../../servers/training/challenge.js';
import { grade } from '../../../servers/training/grading.js';

const score = (given: unknown, answer: string | number | string[]): number =>
  grade(solution.parse(given), answer).score;

describe('exact', () => {
  test('ignores case and white space by default', () => {
    expect(score({ kind: 'exact', accepted: ['New York'] }, '  new   YORK ')).toBe(1);
    expect(score({ kind: 'exact', accepted: ['New York'], caseSensitive: true }, 'new york')).toBe(0);
    expect(score({ kind: 'exact', accepted: ['New York'], caseSensitive: true }, 'New York')).toBe(1);
  });
  test('any accepted text is correct, and Unicode compatibility forms are equal', () => {
    expect(score({ kind: 'exact', accepted: ['two', '2'] }, 2)).toBe(1);
    expect(score({ kind: 'exact', accepted: ['ﬁne'] }, 'fine')).toBe(1);
    expect(score({ kind: 'exact', accepted: ['two'] }, 'twoo')).toBe(0);
  });
});

describe('numeric', () => {
  const pi = { kind: 'numeric', value: 3.14, tolerance: 0.01 };
  test('within the tolerance, its edge included', () => {
    expect(score(pi, 3.15)).toBe(1);
    expect(score(pi, '3.13')).toBe(1);
    expect(score(pi, 3.1501)).toBe(0);
  });
  test('a relative tolerance is of the value', () => {
    expect(score({ kind: 'numeric', value: -200, relative: 0.05 }, -190)).toBe(1);
    expect(score({ kind: 'numeric', value: -200, relative: 0.05 }, -189)).toBe(0);
  });
  test('numbers as people write them', () => {
    const million = { kind: 'numeric', value: 1_234_567.5 };
    for (const text of ['1,234,567.5', '1 234 567.5', '1234567.5', '1.2345675e6']) expect(score(million, text)).toBe(1);
  });
  test.each(['', 'twelve', '0x10', '1,2', 'NaN', 'Infinity', '1e9999'])('%j is not a number', (text) => {
    const graded = grade(solution.parse({ kind: 'numeric', value: 16 }), text);
    expect(graded).toEqual({ score: 0, remarks: ['expected a number'] });
  });
});

describe('keyword', () => {
  const given = {
    kind: 'keyword',
    keywords: [{ anyOf: ['index', 'indices'] }, { anyOf: ['query plan'], weight: 3 }],
  };
  test('scores by weight and names what is missing', () => {
    expect(score(given, 'The query-plan shows the INDEX.')).toBe(1);
    expect(grade(solution.parse(given), 'an index')).toEqual({ score: 0.25, remarks: ['missing: query plan'] });
  });
  test('finds whole words only', () => {
    expect(score(given, 'indexing a query planner')).toBe(0);
  });
});

describe('ordering', () => {
  const given = { kind: 'ordering', items: ['a', 'b', 'c', 'd'] };
  test('all, none, and the pairs between', () => {
    expect(score(given, ['a', 'b', 'c', 'd'])).toBe(1);
    expect(score(given, ['d', 'c', 'b', 'a'])).toBe(0);
    expect(score(given, 'a, c, b, d')).toBeCloseTo(5 / 6, 12);
  });
  test('a missing item is in no order', () => {
    expect(grade(solution.parse(given), ['a', 'b'])).toEqual({
      score: 1 / 6,
      remarks: ['missing: c', 'missing: d'],
    });
  });
});

describe('rubric', () => {
  const given = {
    kind: 'rubric',
    criteria: [
      { name: 'names both', allOf: ['cause', 'effect'], points: 2 },
      { name: 'short', maxWords: 5 },
      { name: 'polite', noneOf: ['stupid'], minWords: 2 },
    ],
  };
  test('earns the points of the criteria it meets', () => {
    expect(score(given, 'cause and effect')).toBe(1);
    expect(score(given, 'a stupid cause')).toBe(0.25);
    expect(score(given, 'the cause has a certain effect here')).toBe(0.75);
  });
});

test('for any challenge and any answer a score is from 0 to 1 and grading never throws', () => {
  const text = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }).filter((one) => one.trim() !== '');
  const any: fc.Arbitrary<Solution> = fc.oneof(
    fc.record({
      kind: fc.constant('exact' as const),
      accepted: fc.array(text, { minLength: 1 }),
      caseSensitive: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('numeric' as const),
      value: fc.double({ noNaN: true }),
      tolerance: fc.double({ min: 0, noNaN: true }),
      relative: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({
      kind: fc.constant('keyword' as const),
      keywords: fc.array(
        fc.record({ anyOf: fc.array(text, { minLength: 1 }), weight: fc.double({ min: 0.1, max: 100, noNaN: true }) }),
        { minLength: 1 },
      ),
    }),
    fc.record({ kind: fc.constant('ordering' as const), items: fc.uniqueArray(text, { minLength: 2 }) }),
    fc.record({
      kind: fc.constant('rubric' as const),
      criteria: fc.array(
        fc.record({ name: text, points: fc.double({ min: 0.1, max: 100, noNaN: true }), allOf: fc.array(text) }),
        { minLength: 1 },
      ),
    }),
  );
  fc.assert(
    fc.property(any, fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.array(fc.string())), (given, answer) => {
      const graded = grade(given, answer);
      expect(graded.score).toBeGreaterThanOrEqual(0);
      expect(graded.score).toBeLessThanOrEqual(1 + 1e-12);
      expect(graded.remarks.length).toBeGreaterThan(0);
    }),
  );
});
