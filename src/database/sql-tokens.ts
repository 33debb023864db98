/**
 * SQL cut into tokens. Tolerant: any text gives tokens, broken or foreign SQL too, because what reads them is advice and
 * statistics, and a literal that was not recognised as one would put a value into a log. Strings, comments and quoted
 * names that do not end run to the end of the text.
 */

export type SqlTokenKind =
  /** Keyword, or unquoted name. */
  | 'word'
  /** "name", `name` or [name]. */
  | 'quoted'
  /** 'text' in any of its spellings, and $tag$text$tag$. */
  | 'string'
  | 'number'
  /** ?, ?1, $1, :name, @name. */
  | 'placeholder'
  | 'operator'
  /** ( ) , ; . [ ] */
  | 'punctuation';

export interface SqlToken {
  readonly kind: SqlTokenKind;
  /** As it stands in the statement. */
  readonly text: string;
  /** Words in lower case, quoted names without their quotes, everything else as it stands. */
  readonly value: string;
  /** Index of the first character, and of the one after the last. */
  readonly start: number;
  readonly end: number;
}

/** Longest first: of two operators that fit the longer is meant. */
const OPERATORS = [
  ...['->>', '#>>', '!~*', '<=>', '||', '<=', '>=', '<>', '!=', '==', '<<', '>>', '->', '::', '@>', '<@', '&&'],
  ...['~*', '!~', '#>', '@@', ':=', '=>', '?|', '?&', '@?'],
];

const WORD = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/iy;
const NUMBER = /0x[0-9a-f_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:e[+-]?\d+)?/iy;
const PLACEHOLDER = /\?\d*|[:@$][\w\u0080-\uffff]+/y;
const DOLLAR_QUOTE = /\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy;
const STRING_PREFIX = /(?:[ebxn]|u&)(?=')/iy;
const BRACKETED_NAME = /\[[a-z_\u0080-\uffff][^\]'"\n]{0,127}\]/iy;

/** The text that `pattern` (sticky) finds at `at`, or ''. */
function matchAt(pattern: RegExp, sql: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0] ?? '';
}

/** Index after the closing quote; a doubled quote is a quote inside, and so is an escaped one where `escapes`. */
function endOfQuoted(sql: string, at: number, escapes = false): number {
  const quote = sql[at];
  for (let i = at + 1; i < sql.length; i++) {
    if (escapes && sql[i] === '\\') i++;
    else if (sql[i] === quote) {
      if (sql[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return sql.length;
}

/** What is found out about a text while it is read. */
interface Findings {
  /** Whether comments nest: in PostgreSQL they do, in SQLite they do not. */
  commentsNest: boolean;
}

/** Index after a block comment: with those nested in it if that comes to an end, else after the first end. */
function endOfBlockComment(sql: string, at: number, findings: Findings): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at + 2;
  let firstEnd = -1;
  let depth = 1;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    if (mark[0] === '*/' && firstEnd === -1) firstEnd = marks.lastIndex;
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0 || (firstEnd !== -1 && !findings.commentsNest)) return marks.lastIndex;
  }
  findings.commentsNest = false; // looked for once, or a text of nothing but openings would be read over and over
  return firstEnd === -1 ? sql.length : firstEnd;
}

/** Index after white space and comments. */
function skipBlank(sql: string, from: number, findings: Findings): number {
  let at = from;
  while (at < sql.length) {
    if (sql[at] === '-' && sql[at + 1] === '-') {
      const end = sql.indexOf('\n', at);
      at = end === -1 ? sql.length : end + 1;
    } else if (sql[at] === '/' && sql[at + 1] === '*') {
      at = endOfBlockComment(sql, at, findings);
    } else if (/[\s\ufeff]/.test(sql[at]!)) {
      at++;
    } else {
      break;
    }
  }
  return at;
}

interface Span {
  readonly kind: SqlTokenKind;
  readonly end: number;
}

function readDollar(sql: string, at: number): Span | undefined {
  const tag = matchAt(DOLLAR_QUOTE, sql, at);
  if (tag === '') return undefined;
  const close = sql.indexOf(tag, at + tag.length);
  return { kind: 'string', end: close === -1 ? sql.length : close + tag.length };
}

function readOperator(sql: string, at: number): Span {
  const known = OPERATORS.find((operator) => sql.startsWith(operator, at));
  return { kind: 'operator', end: at + (known?.length ?? 1) };
}

/** The token that begins at `at`; `follows` tells whether something stands directly before it. */
function readToken(sql: string, at: number, follows: boolean): Span {
  const char = sql[at]!;
  if (char === "'") return { kind: 'string', end: endOfQuoted(sql, at) };
  if (char === '"' || char === '`') return { kind: 'quoted', end: endOfQuoted(sql, at) };
  const prefix = matchAt(STRING_PREFIX, sql, at);
  if (prefix !== '') {
    return { kind: 'string', end: endOfQuoted(sql, at + prefix.length, prefix.toLowerCase() === 'e') };
  }
  const word = matchAt(WORD, sql, at);
  if (word !== '') return { kind: 'word', end: at + word.length };
  const number = matchAt(NUMBER, sql, at);
  if (number !== '') return { kind: 'number', end: at + number.length };
  const dollar = readDollar(sql, at);
  if (dollar !== undefined) return dollar;
  // `a[1]` is a subscript, `[a b]` a name.
  const bracketed = char === '[' && !follows ? matchAt(BRACKETED_NAME, sql, at) : '';
  if (bracketed !== '') return { kind: 'quoted', end: at + bracketed.length };
  if ('(),;.[]'.includes(char)) return { kind: 'punctuation', end: at + 1 };
  if (!sql.startsWith('::', at) && !/^[?@][|&>@]/.test(sql.slice(at, at + 2))) {
    const placeholder = matchAt(PLACEHOLDER, sql, at);
    if (placeholder !== '') return { kind: 'placeholder', end: at + placeholder.length };
  }
  return readOperator(sql, at);
}

function valueOf(kind: SqlTokenKind, text: string): string {
  if (kind === 'word') return text.toLowerCase();
  if (kind !== 'quoted') return text;
  const quote = text[0] === '[' ? ']' : text[0]!;
  const inner = text.endsWith(quote) && text.length > 1 ? text.slice(1, -1) : text.slice(1);
  return inner.replaceAll(quote + quote, quote);
}

/** Cuts a statement into its tokens, white space and comments left out. Never throws. */
export function tokenizeSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  const findings: Findings = { commentsNest: true };
  let previousEnd = -1;
  for (let at = skipBlank(sql, 0, findings); at < sql.length; at = skipBlank(sql, previousEnd, findings)) {
    const { kind, end } = readToken(sql, at, at === previousEnd);
    const text = sql.slice(at, end);
    tokens.push({ kind, text, value: valueOf(kind, text), start: at, end });
    previousEnd = end;
  }
  return tokens;
}
