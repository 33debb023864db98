/** A text fits a template if it differs from its statement in nothing but values. */
import fc from '../support/fast-check.js';
import { skeletonOf } from '../../src/database/statement-skeleton.js';
import { StatementTemplate } from '../../src/database/statement-template.js';
import { TemplateTable } from '../../src/database/template-table.js';
import { TextMemo } from '../../src/database/text-memo.js';

/** Parts without a value, and with characters around which values are easily misread. */
const FIXED = [
  ...['select ', 'from t ', ' where a = ', ' a1', ' "b 2"', ' `c3`', ' -', ' +', ' .', '.', '..', ' name', ' e', ' n'],
  ...[' in (', ', ', ')', ';', ' ', '\n', ' $', '?', ':', '[', ']', ' -- it is 7\n', ' /* 8 */ ', '/', '-', ' größe '],
  ...[' and this_is_a_part_that_is_compared_as_a_slice = ', ' a$1 ', '"open', '$q$'],
];
const number = fc.nat().map(String);
const string = fc
  .array(fc.constantFrom("''", 'a', '1', ' ', '--', '/*', '"', '\\', 'é', '名'), { maxLength: 12 })
  .map((parts) => `'${parts.join('')}'`);

const parts = fc.array(fc.oneof(fc.constantFrom(...FIXED), fc.constantFrom('number', 'string')), {
  minLength: 1,
  maxLength: 12,
});

/** Long enough that the values are worth gaps. */
const START = `select ${'a, '.repeat(40)}`;

/** Two texts of the same parts, each with values of its own. */
const pairs = parts.chain((list) => {
  const values = fc.tuple(
    ...list.map((part) => (part === 'number' ? number : part === 'string' ? string : fc.constant(part))),
  );
  return fc.tuple(values, values).map(([one, other]) => [START + one.join(''), START + other.join('')] as const);
});

const hasSkeleton = (sql: string): boolean => skeletonOf(sql) !== undefined;
const isAlike = (sql: string, other: string): boolean => skeletonOf(other) === skeletonOf(sql);

/** The template of a statement whose values were seen to vary as in these other texts. */
function templateOf(sql: string, ...others: string[]): StatementTemplate {
  const template = new StatementTemplate(sql, skeletonOf(sql)!, 'shape');
  for (const other of others) if (isAlike(sql, other)) template.learn(other);
  return template;
}

test('only texts of the same skeleton fit', () => {
  const texts = fc.tuple(pairs, pairs).map((both) => both.flat());
  // Comments have no skeleton, but stay in the text of a template.
  const mustFit = (sql: string, other: string): boolean => isAlike(sql, other) && !/--|\/\*/.test(other);
  fc.assert(
    fc.property(texts, (all) =>
      all.filter(hasSkeleton).every((sql) => {
        const template = templateOf(sql, ...all);
        return all.every((other) => (template.fits(other) ? isAlike(sql, other) : !mustFit(sql, other)));
      }),
    ),
    { numRuns: 2_000 },
  );
});

test('a text with one character more, less or changed fits only if its skeleton is the same', () => {
  const edits = fc.tuple(
    pairs,
    fc.nat(),
    fc.constantFrom('', '1', "'", ' ', 'a', '.', '-', '"', '$', 'E', '(', ','),
    fc.nat(1),
  );
  fc.assert(
    fc.property(edits, ([[sql, other], place, text, removed]) => {
      fc.pre(hasSkeleton(sql));
      const at = START.length - 10 + (place % (sql.length - START.length + 11));
      const edited = sql.slice(0, at) + text + sql.slice(at + removed);
      return isAlike(sql, edited) || !templateOf(sql, other).fits(edited);
    }),
    { numRuns: 4_000 },
  );
});

test.each([
  ['numbers', 'select a from t where b = 1 limit 10', 'select a from t where b = 20345 limit 7'],
  ['strings', "select a from t where b = 'x' and c = 'y'", "select a from t where b = 'it''s' and c = ''"],
  [
    'parts that are compared as a slice',
    `insert into a_table_with_columns values (1)`,
    `insert into a_table_with_columns values (22)`,
  ],
])('texts that differ in %s fit once that is known', (_what, one, other) => {
  expect(templateOf(one).fits(other)).toBe(false);
  expect(templateOf(one, other).fits(other)).toBe(true);
  expect(templateOf(one, other).fits(one)).toBe(true);
});

test.each([
  ['a name', 'select a from t where b = 1', 'select a from t where c = 1'],
  ['the kind of a value', 'select a from t where b = 1', "select a from t where b = '1'"],
  ['its end', 'select a from t where b = 1', 'select a from t where b = 1 limit'],
  ['the number of its values', 'select a from t where b in (1)', 'select a from t where b in (1, 2)'],
])('texts that differ in %s do not', (_what, one, other) => {
  expect(templateOf(one, one.replace('1', '77')).fits(other)).toBe(false);
});

test('a list of many short values has no template, because its skeleton is found faster', () => {
  const list = (value: number): string => `select a from t where b in (${`${value}, `.repeat(40)}1)`;
  expect(templateOf(list(1), list(2)).fits(list(3))).toBe(false);
});

test('a value that never varied belongs to the text', () => {
  const template = templateOf('select a where b = 1 limit 10', 'select a where b = 2 limit 10');
  expect(template.fits('select a where b = 3 limit 10')).toBe(true);
  expect(template.fits('select a where b = 3 limit 101')).toBe(false);
  expect(template.fits('select a where b = 3 limit 1')).toBe(false);
  template.learn('select a where b = 2 limit 5');
  expect(template.fits('select a where b = 3 limit 101')).toBe(true);
});

/** Shows a statement to a table until it has its template. */
function show(table: TemplateTable, statement: (value: number) => string, shape: string): void {
  const skeleton = skeletonOf(statement(0))!;
  for (let i = 0; i < 8; i++) table.learn(statement(i), skeleton, shape);
}

test('a table finds the templates of many statements, and of those that begin alike the last few', () => {
  const table = new TemplateTable();
  const columns = (value: number, count: number): string =>
    `select a from t where b = ${value}${' and column = 1'.repeat(count)}`;
  const counts = [1, 2, 3, 4];
  for (const count of counts) show(table, (value) => columns(value, count), `of ${count}`);
  for (const count of counts) expect(table.find(columns(77, count))?.shape).toBe(`of ${count}`);
  show(table, (value) => `select a from t where b = ${value}`, 'new');
  expect(table.find('select a from t where b = 2')?.shape).toBe('new');
  expect(counts.filter((count) => table.find(columns(77, count)) !== undefined)).toHaveLength(3);
});

test('a table keeps a bounded number of characters', () => {
  const table = new TemplateTable();
  const statement = (name: string, value: number): string => `select ${name} /* ${'x'.repeat(4_000)} */ ${value}`;
  const names = Array.from({ length: 400 }, (_, i) => String.fromCharCode(97 + (i % 26), 97 + Math.floor(i / 26)));
  for (const name of names) show(table, (value) => statement(name, value), name);
  const kept = names.filter((name) => table.find(statement(name, 200))?.shape === name);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(335);
});

test('a memo finds a text from the second time it was kept', () => {
  const memo = new TextMemo();
  memo.add('select 1', 'a');
  expect(memo.get('select 1')).toBeUndefined();
  memo.add('select 1', 'a');
  expect(memo.get(['select', '1'].join(' '))).toBe('a');
});

test('a memo never finds the shape of another text', () => {
  const memo = new TextMemo();
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 20 })), (texts) => {
      for (const sql of texts) {
        expect([undefined, `shape of ${sql}`]).toContain(memo.get(sql));
        for (let i = 0; i < 2; i++) memo.add(sql, `shape of ${sql}`);
        expect(memo.get(sql)).toBe(`shape of ${sql}`);
      }
    }),
  );
});

test('a memo keeps a bounded number of characters, and no text that is very long', () => {
  const memo = new TextMemo();
  const long = 'x'.repeat(70_000);
  for (let i = 0; i < 3; i++) memo.add(long, 'shape');
  expect(memo.get(long)).toBeUndefined();
  const texts = Array.from({ length: 100 }, (_, i) => String(i).padEnd(50_000 + i, 'x'));
  for (const text of texts) for (let i = 0; i < 2; i++) memo.add(text, 'shape');
  const kept = texts.filter((text) => memo.get(text) !== undefined);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(20);
});
