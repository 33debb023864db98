/** The cache of what is known about field names: right for every name, and bounded in every case. */
import { cachedByName } from '../../src/routing/forwarding/name-cache.js';

/** Says whether a name begins with x, and counts how often it is asked. */
function counted() {
  const asked: string[] = [];
  const isX = cachedByName((name) => {
    asked.push(name);
    return name.startsWith('x');
  });
  return { asked, isX };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i % 2 === 0 ? 'x' : 'y'}-${i}`);

test('a name is decided once, whether the result is true or false', () => {
  const { asked, isX } = counted();
  for (let i = 0; i < 3; i++) expect([isX('x-a'), isX('accept')]).toEqual([true, false]);
  expect(asked).toEqual(['x-a', 'accept']);
});

test('of any number of names only the first are kept, and all are decided correctly', () => {
  const { asked, isX } = counted();
  const all = names(2000);
  for (let round = 0; round < 2; round++) expect(all.filter(isX)).toEqual(all.filter((name) => name.startsWith('x')));
  expect(asked.length).toBeGreaterThan(2 * 2000 - 1000);
  expect(asked.length).toBeLessThan(2 * 2000);
});

test('a long name is not kept', () => {
  const { asked, isX } = counted();
  const long = `x${'y'.repeat(10_000)}`;
  expect([isX(long), isX(long)]).toEqual([true, true]);
  expect(asked).toHaveLength(2);
});
