import fc from '../../support/fast-check.js';
import { cosine, countTerms } from '../../../servers/segmentation/vectors.js';
import {
  blockSimilarities,
  depthScores,
  smooth,
  tile,
  type TilingOptions,
} from '../../../servers/segmentation/text-tiling.js';

const OPTIONS: TilingOptions = { blockSize: 3, smoothing: 1, minSegment: 2, cutoff: 0.5, minDepth: 0.1 };

const units = fc.array(fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 8 }), { maxLength: 40 });
const options: fc.Arbitrary<TilingOptions> = fc.record({
  blockSize: fc.integer({ min: 1, max: 20 }),
  smoothing: fc.integer({ min: 0, max: 5 }),
  minSegment: fc.integer({ min: 1, max: 50 }),
  cutoff: fc.double({ min: -3, max: 3, noNaN: true }),
  minDepth: fc.double({ min: 0, max: 2, noNaN: true }),
});

test('a change of vocabulary is a boundary, one vocabulary has none', () => {
  const first = Array.from({ length: 6 }, () => ['cat', 'dog', 'bird']);
  const second = Array.from({ length: 6 }, () => ['disk', 'tape', 'file']);
  expect(tile([...first, ...second], OPTIONS).boundaries).toEqual([6]);
  expect(tile([...second, ...first, ...second], OPTIONS).boundaries).toEqual([6, 12]);
  expect(tile([...first, ...first], OPTIONS).boundaries).toEqual([]);
});

test('depth is how far similarity climbs on both sides before it falls', () => {
  const depths = depthScores([0.5, 0.3, 0.1, 0.4, 0.8, 0.2]);
  [0, 0.2, 0.4 + 0.7, 0.4, 0, 0.6].forEach((depth, i) => expect(depths[i]).toBeCloseTo(depth, 12));
});

test('smoothing keeps the length and a constant', () => {
  expect(smooth([1, 4, 1], 1)).toEqual([2.5, 2, 2.5]);
  expect(smooth([3, 3, 3], 5)).toEqual([3, 3, 3]);
  expect(smooth([1, 9], 0)).toEqual([1, 9]);
});

test.each([[[]], [[['a']]], [[[], []]]])('too little to compare is one segment: %j', (given) => {
  expect(tile(given, OPTIONS).boundaries).toEqual([]);
});

describe('for every text and every setting', () => {
  test('boundaries ascend, lie inside and leave no segment too short', () => {
    fc.assert(
      fc.property(units, options, (given, settings) => {
        const { boundaries, gaps } = tile(given, settings);
        const edges = [0, ...boundaries, given.length];
        for (let i = 1; i < edges.length; i++) {
          if (boundaries.length > 0) expect(edges[i]! - edges[i - 1]!).toBeGreaterThanOrEqual(settings.minSegment);
        }
        expect(gaps).toHaveLength(Math.max(0, given.length - 1));
      }),
    );
  });

  test('similarities are from 0 to 1, depths from 0 to 2', () => {
    fc.assert(
      fc.property(units, options, (given, settings) => {
        for (const { similarity, depth } of tile(given, settings).gaps) {
          expect(similarity >= 0 && similarity <= 1 + 1e-9 && depth >= 0 && depth <= 2 + 1e-9).toBe(true);
        }
      }),
    );
  });

  test('sliding blocks find what comparing each pair of blocks anew finds', () => {
    fc.assert(
      fc.property(units, fc.integer({ min: 1, max: 10 }), (given, size) => {
        const anew = given.slice(1).map((_, i) => {
          const left = given.slice(Math.max(0, i + 1 - size), i + 1).flat();
          return cosine(countTerms(left), countTerms(given.slice(i + 1, i + 1 + size).flat()));
        });
        blockSimilarities(given, size).forEach((value, i) => expect(value).toBeCloseTo(anew[i]!, 9));
      }),
    );
  });

  test('read backwards it has the same similarities', () => {
    fc.assert(
      fc.property(units, fc.integer({ min: 1, max: 10 }), (given, size) => {
        const there = blockSimilarities(given, size);
        const back = blockSimilarities([...given].reverse(), size).reverse();
        there.forEach((value, i) => expect(value).toBeCloseTo(back[i]!, 9));
      }),
    );
  });
});
