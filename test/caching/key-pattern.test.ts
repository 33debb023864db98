/** Patterns, their overlap, ranges of prefixes and the index over keys: against the obvious definitions. */
import fc, { anyCharacter } from '../support/fast-check.js';
import { KeyIndex } from '../../src/caching/key-index.js';
import { afterPrefix, compilePattern, exactKey, overlap } from '../../src/caching/key-pattern.js';

const key = fc.array(fc.constantFrom('a', 'b', ':', '/'), { maxLength: 8 }).map((parts) => parts.join(''));
const pattern = fc.array(fc.constantFrom('a', 'b', ':', '/', '*'), { maxLength: 6 }).map((parts) => parts.join(''));

const asExpression = (source: string): RegExp =>
  new RegExp(
    `^${source
      .split('*')
      .map((part) => part.replace(/[/]/g, '\\/'))
      .join('.*')}$`,
    's',
  );

test('a pattern matches what the equivalent regular expression matches', () => {
  fc.assert(
    fc.property(pattern, key, (source, text) => {
      expect(compilePattern(source).matches(text)).toBe(asExpression(source).test(text));
    }),
    { numRuns: 2000 },
  );
});

test('matching takes linear time where an expression would take forever', () => {
  const hostile = compilePattern(`${'a*'.repeat(50)}b`);
  expect(hostile.matches('a'.repeat(100_000))).toBe(false);
});

test('two patterns overlap if and only if some key matches both', () => {
  const short = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 }).map((parts) => parts.join(''));
  const all: string[] = [''];
  for (const text of all) if (text.length < 8) all.push(`${text}a`, `${text}b`);
  fc.assert(
    fc.property(short, short, (a, b) => {
      const [one, other] = [compilePattern(a), compilePattern(b)];
      expect(overlap(one, other)).toBe(all.some((text) => one.matches(text) && other.matches(text)));
      expect(overlap(other, one)).toBe(overlap(one, other));
    }),
    { numRuns: 500 },
  );
});

test('an exact key matches itself, a star in it being a star', () => {
  expect(exactKey('a*').matches('a*')).toBe(true);
  expect(exactKey('a*').matches('ab')).toBe(false);
  expect(overlap(exactKey('a*'), compilePattern('a*'))).toBe(true);
});

test('what begins with a prefix, and only that, lies before what comes after it', () => {
  const text = fc.string({ unit: anyCharacter, maxLength: 4 });
  const bytes = (one: string): Buffer => Buffer.from(one, 'utf8');
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = afterPrefix(prefix);
      const isInside =
        Buffer.compare(bytes(other), bytes(prefix)) >= 0 &&
        (end === undefined || Buffer.compare(bytes(other), bytes(end)) < 0);
      expect(isInside).toBe(other.startsWith(prefix));
      expect(end === undefined || Buffer.compare(bytes(`${prefix}\u{10ffff}`), bytes(end)) < 0).toBe(true);
    }),
    {
      numRuns: 2000,
      examples: [
        ['\u{10ffff}', ''],
        ['a\u{10ffff}', 'b'],
        ['\ud7ff', '\ue000'],
        ['', 'x'],
      ],
    },
  );
});

test('after any additions and removals, the index finds what a scan of all keys finds', () => {
  fc.assert(
    fc.property(fc.array(key), fc.array(key), fc.array(pattern), (added, removed, patterns) => {
      const index = new KeyIndex();
      const keys = new Set(added);
      for (const one of added) index.add(one);
      for (const one of removed) {
        index.remove(one);
        keys.delete(one);
      }
      for (const source of patterns) {
        const { prefix, matches } = compilePattern(source);
        const found = [...index.candidates(prefix)].filter((one) => one !== undefined);
        expect(found.filter(matches).sort()).toEqual([...keys].filter(matches).sort());
      }
    }),
  );
});
