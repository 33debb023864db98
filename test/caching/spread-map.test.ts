import fc from '../support/fast-check.js';
import { SpreadMap } from '../../src/caching/spread-map.js';

/** Some keys one after the other; a large map is spread over many at 4,096. */
const range = fc.record({
  isAdded: fc.constantFrom(true, true, false),
  from: fc.nat(8000),
  count: fc.nat(5000),
  value: fc.nat(),
});
type Range = Parameters<Parameters<typeof range.map>[0]>[0];

const keysOf = ({ from, count }: Range): string[] => Array.from({ length: count }, (_, i) => `key:${from + i}`);

function change(map: Pick<SpreadMap<number>, 'set' | 'delete'>, one: Range): void {
  for (const key of keysOf(one)) {
    if (one.isAdded) map.set(key, one.value);
    else map.delete(key);
  }
}

/** `Map` returns what `SpreadMap` does not. */
const model = (map: Map<string, number>): Pick<SpreadMap<number>, 'set' | 'delete'> => ({
  set: (key, value) => void map.set(key, value),
  delete: (key) => void map.delete(key),
});

test('holds what a Map holds', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
      const [spread, plain] = [new SpreadMap<number>(), new Map<string, number>()];
      for (const one of ranges) {
        change(spread, one);
        change(model(plain), one);
        expect(spread.size).toBe(plain.size);
        expect(new Map(spread.entries())).toEqual(plain);
        for (const key of keysOf(one).slice(0, 20)) expect(spread.get(key)).toBe(plain.get(key));
      }
    }),
    { numRuns: 40 },
  );
});

test('a walk finds every key that is there from its beginning to its end', () => {
  fc.assert(
    fc.property(
      fc.array(range, { maxLength: 4 }),
      fc.nat(3000),
      fc.array(range, { maxLength: 4 }),
      (before, at, within) => {
        const map = new SpreadMap<number>();
        const lasting = new Map<string, number>();
        for (const one of before) {
          change(map, one);
          change(model(lasting), one);
        }
        for (const one of within) if (!one.isAdded) change(model(lasting), one);
        const found = new Set<string>();
        for (const [key] of map.entries()) {
          found.add(key);
          if (found.size === at) for (const one of within) change(map, one);
        }
        expect([...lasting.keys()].filter((key) => !found.has(key))).toEqual([]);
      },
    ),
    { numRuns: 40 },
  );
});
