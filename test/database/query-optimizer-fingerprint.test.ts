import fc, { anyCharacter } from '../support/fast-check.js';
import { ConnectionPool, QueryOptimizer } from '../../src/database/index.js';
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
      fc.string({ unit: anyCharacter }),
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

  test('strings, names and comments with any content are read as the tokens that were written', () => {
    const text = fc.string({ unit: anyCharacter, maxLength: 12 });
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
    const text = fc.string({ unit: anyCharacter }).map((value) => `SECRET${value}SECRET`);
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

  test.each([
    [
      'rows with constants',
      'INSERT INTO t VALUES (1, NULL, TRUE), (NULL, 2, DEFAULT)',
      'insert into t values (?, ?, ?)',
    ],
    ['rows that call', "VALUES (1, lower('a')), (2, lower('b')), (3, now())", 'values (?, lower(?)), (?, now())'],
    ['rows with signs and casts', "VALUES (-1, '1'::int), (2, '2'::int)", 'values (?, ?::int)'],
    ['row lists', 'SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4))', 'select a from t where (a, b) in ((?, ?))'],
    ['rows in IN', 'SELECT a FROM t WHERE a IN (VALUES (1), (2))', 'select a from t where a in (values (?))'],
    ['nested arrays', 'SELECT ARRAY[[1, 2], [3, 4]], ARRAY[ARRAY[1], ARRAY[2]]', 'select array[[?]], array[array[?]]'],
    ['arrays in rows', 'VALUES (1, ARRAY[1, 2]), (2, ARRAY[3])', 'values (?, array[?])'],
    ['casts in lists', "SELECT a FROM t WHERE b IN ('1'::uuid, '2'::uuid)", 'select a from t where b in (?::uuid)'],
    ['columns in lists', 'SELECT a FROM t WHERE ? IN (b, c, 1, 2)', 'select a from t where ? in (b, c, ?)'],
    ['ROW', 'SELECT a FROM t WHERE b IN (ROW(1, 2), ROW(3, 4))', 'select a from t where b in (row (?, ?))'],
    ['subscripts', 'SELECT a[1], b[2][3] FROM t', 'select a[?], b[?][?] from t'],
    ['arguments keep their number', 'SELECT coalesce(?, ?, ?), (?, ?)', 'select coalesce(?, ?, ?), (?, ?)'],
  ])('%s', (_title, sql, expected) => expect(normalize(sql)).toBe(expected));

  test('are independent of the length of every list, however the lists are nested', () => {
    const value = fc.constantFrom('1', '-2.5', "'x'", '?', '$3', 'NULL', "E'\\''", "'(,'");
    const list = (item: fc.Arbitrary<string>, open: string, close: string): fc.Arbitrary<string> =>
      fc.array(item, { minLength: 1, maxLength: 30 }).map((items) => open + items.join(', ') + close);
    const array = list(value, 'ARRAY[', ']');
    const forms: fc.Arbitrary<string>[] = [
      list(value, 'SELECT a FROM t WHERE b IN (', ')'),
      list(
        fc.tuple(value, value).map(([a, b]) => `(${a}, ${b})`),
        'SELECT a FROM t WHERE (a, b) IN (',
        ') LIMIT 1',
      ),
      list(
        fc.tuple(value, array).map(([a, b]) => `(${a}, ${b})`),
        'INSERT INTO t (a, b) VALUES ',
        ' RETURNING a',
      ),
      list(array, 'SELECT ARRAY[', ']::int[][]'),
      list(
        list(array, '(', ')').map((row) => row.replace(/^\((.*)\)$/s, '$1')),
        'SELECT a = ANY (ARRAY[',
        '])',
      ),
      list(
        list(value, 'b IN (', ')').map((one) => `(1, ${one})`),
        'VALUES ',
        '',
      ),
    ];
    for (const form of forms) {
      const shapes = new Set<string>();
      fc.assert(
        fc.property(form, (sql) => shapes.add(normalize(sql)).size === 1),
        { numRuns: 300 },
      );
    }
  });

  test('of a long statement are of its beginning and end, and independent of the length of its list', () => {
    const bulk = (rows: number, end: string): string =>
      `INSERT INTO t (a, b) VALUES ${Array.from({ length: rows }, (_, i) => `(${i * rows}, 'secret, (${i}) ${rows}')`).join(', ')}${end}`;
    const shapes = [300, 301, 5000, 20_000].map((rows) => normalize(bulk(rows, ' ON CONFLICT DO NOTHING')));
    expect(new Set(shapes).size).toBe(1);
    expect(shapes[0]).toBe('insert into t(a, b) values (?, ?) on conflict do nothing');
    expect(normalize(bulk(300, ''))).not.toBe(shapes[0]);
    const [one, other] = ['x', 'y'].map((text) => normalize(`UPDATE t SET doc = '${text.repeat(9000)}' WHERE id = 4`));
    expect(one).toBe(other);
    expect(one).toMatch(/^update t set doc =… #/);
    const numbers = (count: number): string => Array.from({ length: count }, (_, i) => 1_000_000 + i * 7).join(', ');
    for (const count of [3, 300, 600, 3001, 50_000]) {
      const shape = normalize(`SELECT a FROM t WHERE (b IN (${numbers(count)}) AND c = 3) LIMIT 5`);
      expect(shape).toBe('select a from t where (b in (?) and c = ?) limit ?');
      expect(normalize(`SELECT a FROM t WHERE b = ANY (ARRAY[${numbers(count)}])`)).toBe(
        'select a from t where b = any (array[?])',
      );
    }
    const dollar = `$q$${"it's secret ".repeat(900)}$q$`;
    expect(normalize(`SELECT a FROM t WHERE b IN (1, ${dollar}) LIMIT 1`)).toMatch(
      /^select a from t where b in \(\?… #/,
    );
  });

  test('no value is in that of a long statement, wherever it is cut', () => {
    const cut = fc.integer({ min: 1900, max: 2100 });
    fc.assert(
      fc.property(cut, fc.constantFrom("'", "E'", '$q$'), (length, quote) => {
        const value = quote.slice(-1) === '$' ? `$q$${'SECRET '.repeat(500)}$q$` : `${quote}${'SECRET '.repeat(500)}'`;
        const shape = normalize(`SELECT ${'a, '.repeat(Math.floor(length / 3))}${value} FROM t WHERE b = ${value}`);
        return !/secret/i.test(shape);
      }),
    );
  });

  test('a batch of a long statement is found by the statement and by its shape', async () => {
    const pool = new ConnectionPool();
    const batching = new QueryOptimizer({ pool, batchTimeout: 60_000 });
    const long = `SELECT ${Array.from({ length: 1500 }, (_, i) => `${i}`).join(', ')}`;
    const answers = [batching.queueQuery(long)];
    expect(await batching.executeBatch(batching.normalizeQuery(long))).toBe(1);
    answers.push(batching.queueQuery(long));
    expect(await batching.executeBatch(long)).toBe(1);
    await Promise.all(answers);
    await pool.close();
  });

  test('is short even for the longest statement, and still differs between two statements', () => {
    const columns = (last: string): string =>
      [...Array.from({ length: 2000 }, (_, i) => `column_${i}`), last].join(', ');
    const one = normalize(`SELECT ${columns('a')} FROM t`);
    expect(one.length).toBeLessThan(2100);
    expect(one).not.toBe(normalize(`SELECT ${columns('b')} FROM t`));
  });
});
