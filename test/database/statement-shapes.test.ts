/** Remembered shapes are the shapes that would be made. */
import fc from '../support/fast-check.js';
import { fingerprint } from '../../src/database/fingerprint.js';
import { skeletonOf } from '../../src/database/statement-skeleton.js';
import { StatementShapes } from '../../src/database/statement-shapes.js';

/** Parts of statements that differ in little, so that many texts have one skeleton or nearly. */
const PARTS = [
  ...["'a'", "'b''c'", "''", "'--'", "'/*'", "'\"'", "E'a\\'b'", "e'x'", "x'0f'", "U&'a'", "name'x'", "'open"],
  ...['1', '27', '1.5', '.5', '0x1f', '1e5', '1_000', '-1', '- 1', '2;', '1..2', '5a'],
  ...['a', 'a1', 'a2', 'A', 'e', 'größe', 'ä1', 'in', 'values', 'select', 'array', 'null', 'is', 'row'],
  ...['"a"', '"a1"', '"a2"', '"a""b"', '`c1`', '[d]', '[d 1]', '"open', '[1]', '[', ']', '[[1, 2]]'],
  ...['$1', '$2', '$$', '$q$', '$q$ 1 $q$', 'a$1', ':n', ':1', '::', '?', '?1', '@v', '?|', '$'],
  ...['--', '-- c\n', '/* c */', '/* d 2 */', '/* /* */', '*/', '-', '/', '\n', ' ', '  ', '\u00a0', '\u00a01'],
  ...['(', ')', ',', '(1, 2)', '(3, 4)', "('x', 1)", '.', '+', '=', '||', ';', '<', '>', '#', '\\', '{'],
];

const part = fc.constantFrom(...PARTS);
const gap = fc.constantFrom('', ' ', '\n');
/** Texts of which each is the one before with a few parts replaced. */
const statements = fc
  .tuple(
    fc.array(fc.tuple(part, gap), { minLength: 1, maxLength: 10 }),
    fc.array(fc.tuple(fc.nat(9), part), { minLength: 1, maxLength: 30 }),
  )
  .map(([start, changes]) => {
    const pieces = start.map(([text, space]) => text + space);
    return [...changes.map(([at, text]) => ((pieces[at % pieces.length] = text), pieces.join('')))];
  });

test('for texts that differ in little', () => {
  fc.assert(
    fc.property(statements, (texts) => {
      const shapes = new StatementShapes();
      for (const sql of texts) expect(shapes.of(sql)).toBe(fingerprint(sql));
    }),
    { numRuns: 300 },
  );
});

test('for texts too long to be read, with the parts where they are cut', () => {
  const filler = fc.constantFrom("(1, 'some text'), ", 'a1 + ', "'x' || ", '(2, 3), ');
  const long = fc.tuple(fc.array(part, { maxLength: 3 }), filler, fc.nat(40), part, fc.array(part, { maxLength: 4 }));
  fc.assert(
    fc.property(fc.array(long, { minLength: 2, maxLength: 8 }), (all) => {
      const shapes = new StatementShapes();
      for (const [start, fill, shift, cut, end] of all) {
        const head = `insert into t values ${start.join(' ')}`;
        const upToCut =
          head + fill.repeat(Math.floor((2_048 - head.length) / fill.length)) + ' '.repeat(shift % 7) + cut;
        const sql = `${upToCut} ${fill.repeat(200)} ${end.join(' ')}`;
        expect(shapes.of(sql)).toBe(fingerprint(sql));
      }
    }),
    { numRuns: 60 },
  );
});

test('for statements that come many times with other values', () => {
  const values = fc.constantFrom('1', '27', '1.5', "'a'", "'b''c'", "''", "'--'", "'open", 'null', '-1', '$1', '?');
  const texts = fc.tuple(
    fc.array(fc.tuple(part, gap), { minLength: 1, maxLength: 6 }),
    fc.array(values, { minLength: 8 }),
  );
  fc.assert(
    fc.property(texts, ([pieces, all]) => {
      const shapes = new StatementShapes();
      for (const value of [...all, ...all]) {
        const sql = `select a from t where b = ${pieces.map(([text, space]) => text + space).join(value)}`;
        expect(shapes.of(sql)).toBe(fingerprint(sql));
      }
    }),
    { numRuns: 200 },
  );
});

test.each([
  [
    'values',
    "select a from t where b = 'x' and c > 1.5 limit 10",
    "select a from t where b = 'yy' and c > 20.75 limit 7",
  ],
  ['white space and comments', 'select  a -- x\n from t', 'select a /* trace 7 */ from t'],
  ['numbered placeholders', 'select $1, ?2', 'select $3, ?14'],
])('texts that differ in %s have one skeleton', (_what, one, other) => {
  expect(skeletonOf(one)).toBeDefined();
  expect(skeletonOf(one)).toBe(skeletonOf(other));
});

test.each([
  ['names with digits', 'select a1', 'select a2'],
  ['quoted names', 'select "a 1"', 'select "a 2"'],
  ['names with a dollar', 'select a$1', 'select a$2'],
  ['numbers of items', 'select f(1, 2)', 'select f(1, 2, 3)'],
])('texts that differ in %s do not', (_what, one, other) => {
  expect(skeletonOf(one)).not.toBe(skeletonOf(other));
});
