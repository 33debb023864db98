import fc from '../support/fast-check.js';
import { QueryOptimizer } from '../../src/database/index.js';
import { tokenizeSql } from '../../src/database/sql-tokens.js';

const optimizer = new QueryOptimizer();
const normalize = (sql: string): string => optimizer.normalizeQuery(sql);
const kinds = (sql: string): string[] => tokenizeSql(sql).map(({ kind, text }) => `${kind} ${text}`);

describe('tokens', () => {
  test.each([
    ['strings with doubled quotes', "'it''s' 'a'", ["string 'it''s'", "string 'a'"]],
    ['backslashes that escape only in E strings', "E'a\\'b' 'a\\'", ["string E'a\\'b'", "string 'a\\'"]],
    ['prefixed strings', "x'0F' B'01' N'a' U&'a'", ["string x'0F'", "string B'01'", "string N'a'", "string U&'a'"]],
    ['dollar quotes', '$$a $b$ c$$ $tag$ $$ $tag$', ['string $$a $b$ c$$', 'string $tag$ $$ $tag$']],
    ['a dollar in a name', 'a$b$ c', ['word a$b$', 'word c']],
    ['quoted names', '"a""b" `c``d` [e f]', ['quoted "a""b"', 'quoted `c``d`', 'quoted [e f]']],
    ['subscripts', 'a[1]', ['word a', 'punctuation [', 'number 1', 'punctuation ]']],
    [
      'numbers',
      '1 1.5 .5 1e3 1.5E-3 0xFF 1_000',
      ['1', '1.5', '.5', '1e3', '1.5E-3', '0xFF', '1_000'].map((n) => `number ${n}`),
    ],
    ['placeholders', '? ?1 $1 :name @name', ['?', '?1', '$1', ':name', '@name'].map((p) => `placeholder ${p}`)],
    ['casts', 'a::text', ['word a', 'operator ::', 'word text']],
    [
      'operators of jsonb',
      'a->>b @> c ?| d',
      ['word a', 'operator ->>', 'word b', 'operator @>', 'word c', 'operator ?|', 'word d'],
    ],
    ['minus before a minus', '1 - -2', ['number 1', 'operator -', 'operator -', 'number 2']],
    ['line comments', 'a -- b\nc--', ['word a', 'word c']],
    ['block comments', 'a /* b */ c', ['word a', 'word c']],
    ['nested comments', 'a /* b /* c */ d */ e', ['word a', 'word e']],
    ['comments that do not nest', 'a /* b /* c */ d', ['word a', 'word d']],
    ['quotes in comments', "a /* ' */ b -- '\n c", ['word a', 'word b', 'word c']],
    ['comments in strings', "'--' '/*'", ["string '--'", "string '/*'"]],
    ['names of any alphabet', 'größe 名前', ['word größe', 'word 名前']],
  ])('%s', (_title, sql, expected) => expect(kinds(sql)).toEqual(expected));

  test('a string, comment or name that does not end runs to the end', () => {
    expect(kinds("a 'b c")).toEqual(['word a', "string 'b c"]);
    expect(kinds('a $x$ b c')).toEqual(['word a', 'string $x$ b c']);
    expect(kinds('a /* b c')).toEqual(['word a']);
    expect(kinds('a "b c')).toEqual(['word a', 'quoted "b c']);
  });

  test('any text gives tokens that lie in order in it, and every character is in one or blank', () => {
    const fragment = fc.constantFrom(
      ...[
        "'",
        '"',
        '`',
        '[',
        ']',
        '$',
        '$$',
        '$a$',
        '/*',
        '*/',
        '--',
        '\n',
        ' ',
        '(',
        ')',
        ',',
        ';',
        '.',
        '?',
        ':',
        '::',
      ],
      ...[
        '\\',
        "E'",
        "x'",
        'select',
        'from',
        'a',
        '1',
        '1.',
        '.5',
        '0x',
        '1e',
        '-',
        '+',
        '=',
        '@',
        '#',
        'é',
        '🎈',
        '\u0000',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (sql) => {
        let end = 0;
        for (const token of tokenizeSql(sql)) {
          if (token.start < end || token.end <= token.start) return false;
          if (token.text !== sql.slice(token.start, token.end)) return false;
          end = token.end;
        }
        return end <= sql.length;
      }),
      { numRuns: 10_000 },
    );
  });

  test('whatever is in the strings, names and comments, the tokens are those that were written', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 });
    const token = fc.oneof(
      text.map((value) => `string '${value.replaceAll("'", "''")}'`),
      text.map((value) => `string E'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
      text.map((value) => `string $q$${value.replaceAll('$', '')}$q$`),
      text.map((value) => `quoted "${value.replaceAll('"', '""')}"`),
      fc.constantFrom(
        'word a',
        'word größe',
        'word 名前',
        'word select',
        'number 1.5e-3',
        'placeholder $1',
        'operator =',
      ),
    );
    // Comments nest as in PostgreSQL, and quotes in them open nothing.
    const remark = text.map((value) => value.replaceAll(/[*/\n\r]/g, ''));
    const gap = fc.oneof(
      fc.constantFrom(' ', '\n', '\t\r\n'),
      remark.map((value) => ` --${value}\n`),
      remark.map((value) => ` /*${value}/*${value}*/'*/ `),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(token, gap), { maxLength: 12 }), (written) => {
        const sql = written.map(([one, blank]) => one.slice(one.indexOf(' ') + 1) + blank).join('');
        expect(kinds(sql)).toEqual(written.map(([one]) => one));
      }),
      { numRuns: 2000 },
    );
  });

  // Each would take minutes if any part of it were read again and again.
  test.each<[string, number]>([
    ["'", 1],
    ['/*', 0],
    ['/* /* */ ', 0],
    ['$a', 2],
    ['$a$ $b$ ', 66_667],
    ['"a', 100_000],
    ['(', 100_000],
    ['[a', 200_000],
    ['[a ', 200_000],
    ['1.', 100_000],
    ['a-', 200_000],
  ])('%s a hundred thousand times takes time in proportion', (part, tokens) => {
    expect(tokenizeSql(part.repeat(100_000))).toHaveLength(tokens);
  });
});

describe('shapes', () => {
  test.each([
    [
      'values',
      "SELECT a FROM t WHERE b = 'x' AND c > 1.5 AND d = $1",
      'select a from t where b = ? and c > ? and d = ?',
    ],
    ['white space and comments', 'SELECT  a -- why\n FROM/* here */t;', 'select a from t'],
    [
      'signs',
      'SELECT a - 1, -1 FROM t WHERE b = -1 AND c IN (-1, +2)',
      'select a - ?, ? from t where b = ? and c in (?)',
    ],
    [
      'lists',
      'SELECT a FROM t WHERE b IN (1, 2, 3) AND c NOT IN (?)',
      'select a from t where b in (?) and c not in (?)',
    ],
    ['rows', "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z')", 'insert into t(a, b) values (?, ?)'],
    [
      'rows and more',
      'INSERT INTO t VALUES (?), (?) ON CONFLICT DO NOTHING',
      'insert into t values (?) on conflict do nothing',
    ],
    ['arrays', 'SELECT ARRAY[1, 2, 3]', 'select array[?]'],
    ['quoted names', 'select "id", "Name", "order" from "t"', 'select id, "Name", "order" from t'],
    ['dollar quotes', 'SELECT $$secret$$, $q$secret$q$', 'select ?, ?'],
    ['null stays', 'SELECT a FROM t WHERE b IS NULL', 'select a from t where b is null'],
    ['calls', 'SELECT count(*), lower(a) FROM t', 'select count(*), lower(a) from t'],
    ['casts', "SELECT '1'::int, a::text", 'select ?::int, a::text'],
    ['subqueries in IN', 'SELECT a FROM t WHERE b IN (SELECT 1)', 'select a from t where b in (select ?)'],
  ])('%s', (_title, sql, expected) => expect(normalize(sql)).toBe(expected));

  test('statements that differ only in values share one', () => {
    expect(normalize("SELECT * FROM users WHERE name = 'Ada' LIMIT 10")).toBe(
      normalize("select *\nfrom users where name = 'O''Neil' limit 20"),
    );
    expect(normalize('SELECT a FROM t')).not.toBe(normalize('SELECT b FROM t'));
  });

  test('no value is ever in one', () => {
    const text = fc.string({ unit: 'binary' }).map((value) => `SECRET${value}SECRET`);
    const quoted = text.map((value) => `'${value.replaceAll("'", "''")}'`);
    const dollared = text.filter((value) => !value.includes('$')).map((value) => `$q$${value}$q$`);
    const escaped = text.map((value) => `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`);
    fc.assert(
      fc.property(fc.oneof(quoted, dollared, escaped), (literal) => {
        expect(normalize(`SELECT a FROM t WHERE b = ${literal} AND c = ${literal}`)).toBe(
          'select a from t where b = ? and c = ?',
        );
      }),
      { numRuns: 3000 },
    );
  });

  test('of a shape is the shape itself', () => {
    const piece = fc.constantFrom(
      ...[
        'select',
        'from',
        'where',
        'in',
        'values',
        '(',
        ')',
        ',',
        '.',
        ';',
        "'x'",
        '1',
        '-1',
        '?',
        '$1',
        '"A"',
        'a',
        '=',
        '-',
      ],
      ...['array[1]', '::', '/* c */', 'é', '||', '"select"'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const shape = normalize(pieces.join(' '));
        expect(normalize(shape)).toBe(shape);
      }),
      { numRuns: 5000 },
    );
  });

  test('is short even of the longest statement, and still tells two apart', () => {
    const columns = (last: string): string =>
      [...Array.from({ length: 2000 }, (_, i) => `column_${i}`), last].join(', ');
    const one = normalize(`SELECT ${columns('a')} FROM t`);
    expect(one.length).toBeLessThan(2100);
    expect(one).not.toBe(normalize(`SELECT ${columns('b')} FROM t`));
  });
});
