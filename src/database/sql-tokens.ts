/**
 * Splits SQL into tokens. Tolerant: any text has tokens, even broken or foreign SQL, because only advice and statistics
 * use them. A literal that was not recognised would put a value into a log. Strings, comments and quoted names without
 * an end run to the end of the text.
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

/** What the second character of an operator may be. */
const OPERATOR_REST = [...new Set(OPERATORS.map((operator) => operator[1]!))].join('');

const NUMBER = /0x[0-9a-f_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:e[+-]?\d+)?/iy;
const PLACEHOLDER = /\?\d*|[:@$][\w\u0080-\uffff]+/y;
const DOLLAR_QUOTE = /\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy;
const BRACKETED_NAME = /\[[a-z_\u0080-\uffff][^\]'"\n]{0,127}\]/iy;

/** The text that `pattern` (sticky) finds at `at`, or ''. */
function matchAt(pattern: RegExp, sql: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0] ?? '';
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;
const startsWord = (code: number): boolean => isLetter(code) || code === 95 || code >= 0x80;
const SPACE = 32;
const DOLLAR = 36;
const DOT = 46;

/** Index after the word that begins at `at`. */
function endOfWord(sql: string, at: number): number {
  let end = at + 1;
  for (; end < sql.length; end++) {
    const code = sql.charCodeAt(end);
    if (!startsWord(code) && !isDigit(code) && code !== DOLLAR) break;
  }
  return end;
}

/** Characters before the quote of `E'…'`, `x'…'`, `U&'…'`; 0 without such a prefix. */
function prefixLength(sql: string, at: number): number {
  if (sql[at + 1] === "'") return 'ebxnEBXN'.includes(sql[at]!) ? 1 : 0;
  return sql[at + 1] === '&' && sql[at + 2] === "'" && (sql[at] === 'u' || sql[at] === 'U') ? 2 : 0;
}

/** Index after the closing quote; a doubled quote is a quote inside, and so is an escaped one where `escapes`. */
function endOfQuoted(sql: string, at: number, escapes = false): number {
  const quote = sql[at]!;
  if (!escapes) {
    for (let i = sql.indexOf(quote, at + 1); i !== -1; i = sql.indexOf(quote, i + 2)) {
      if (sql[i + 1] !== quote) return i + 1;
    }
    return sql.length;
  }
  for (let i = at + 1; i < sql.length; i++) {
    if (sql[i] === '\\') i++;
    else if (sql[i] === quote) {
      if (sql[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return sql.length;
}

/** Properties of a text that are found while it is read. */
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
    const code = sql.charCodeAt(at);
    if (code === SPACE || (code >= 9 && code <= 13)) {
      at++;
    } else if (startsWord(code) && code < 0x80) {
      break;
    } else if (sql[at] === '-' && sql[at + 1] === '-') {
      const end = sql.indexOf('\n', at);
      at = end === -1 ? sql.length : end + 1;
    } else if (sql[at] === '/' && sql[at + 1] === '*') {
      at = endOfBlockComment(sql, at, findings);
    } else if (code >= 0x80 && /[\s\ufeff]/.test(sql[at]!)) {
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
  if (!OPERATOR_REST.includes(sql[at + 1] ?? ' ')) return { kind: 'operator', end: at + 1 };
  const known = OPERATORS.find((operator) => sql.startsWith(operator, at));
  return { kind: 'operator', end: at + (known?.length ?? 1) };
}

/** The token that begins at `at`; `follows` is true if a character stands directly before it. */
function readToken(sql: string, at: number, follows: boolean): Span {
  const char = sql[at]!;
  if (char === "'") return { kind: 'string', end: endOfQuoted(sql, at) };
  if (char === '"' || char === '`') return { kind: 'quoted', end: endOfQuoted(sql, at) };
  const code = sql.charCodeAt(at);
  if (startsWord(code)) {
    const prefix = prefixLength(sql, at);
    if (prefix === 0) return { kind: 'word', end: endOfWord(sql, at) };
    return { kind: 'string', end: endOfQuoted(sql, at + prefix, char === 'e' || char === 'E') };
  }
  if (isDigit(code) || (code === DOT && isDigit(sql.charCodeAt(at + 1)))) {
    return { kind: 'number', end: at + matchAt(NUMBER, sql, at).length };
  }
  const dollar = code === DOLLAR ? readDollar(sql, at) : undefined;
  if (dollar !== undefined) return dollar;
  // `a[1]` is a subscript, `[a b]` a name.
  const bracketed = char === '[' && !follows ? matchAt(BRACKETED_NAME, sql, at) : '';
  if (bracketed !== '') return { kind: 'quoted', end: at + bracketed.length };
  if ('(),;.[]'.includes(char)) return { kind: 'punctuation', end: at + 1 };
  if ('?:@$'.includes(char) && !sql.startsWith('::', at) && !/^[?@][|&>@]/.test(sql.slice(at, at + 2))) {
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
