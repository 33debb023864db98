/**
 * Recognises statements that differ only in their values, several times faster than a shape can be made: the text is read
 * once, and becomes a number.
 *
 * Texts with one skeleton have the same tokens except for the contents of strings and numbers, so they have one shape.
 * A text for which only the tokenizer can be sure (escapes, dollar quotes, names in brackets, 0x1f) has no skeleton.
 */
const OTHER = 0;
const BLANK = 1;
const DIGIT = 2;
const WORD = 3;
/** Begins a string, a quoted name or a comment, or may do so. */
const SPECIAL = 4;
const STRING = 5;

/** The kind of each character outside of strings, comments and quoted names. */
const KINDS = new Uint8Array(0x1_0000).fill(WORD);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/\s/.test(char)) KINDS[code] = BLANK;
  else if (/\d/.test(char)) KINDS[code] = DIGIT;
  else if (/\W/.test(char)) KINDS[code] = `'"\`-/$[`.includes(char) ? SPECIAL : OTHER;
}

const SPACE = 32;
const DOUBLE_QUOTE = 34;
const DOLLAR = 36;
const QUOTE = 39;
const STAR = 42;
const DASH = 45;
const SLASH = 47;
const BACKTICK = 96;

/** Stand for the contents of a string and of a number. They are the code of no character. */
const ANY_STRING = 0x1_0000;
const ANY_NUMBER = 0x1_0001;

/**
 * A number that is the same for texts that differ only in the values of strings and numbers, in white space and in
 * comments; undefined for a text that must be tokenized.
 *
 * One loop over local variables, because a call per character would double its time.
 *
 * @param values receives the index of the first character of each value, and of the one after its last
 */
export function skeletonOf(sql: string, values?: number[]): number | undefined {
  const { imul } = Math; // looked up once, not for each character
  let low = 0x811c_9dc5 | 0; // two hashes of 32 bits; 53 of their bits are used
  let high = 0x1656_67b1;
  let before = BLANK;
  let name = 0; // the quote of the name that is being read
  for (let at = 0; at < sql.length; at++) {
    let code = sql.charCodeAt(at);
    const kind = KINDS[code]!;
    if (name !== 0) {
      if (code === name) name = 0;
    } else if (kind === WORD) {
      if (before === DIGIT) return undefined; // 0x1f, 1e5, 1_000
      before = WORD;
    } else if (kind === OTHER) {
      before = OTHER;
    } else if (kind === BLANK) {
      if (before === BLANK) continue;
      code = SPACE;
      before = BLANK;
    } else if (kind === DIGIT) {
      if (before === DIGIT) continue;
      if (before !== WORD) {
        values?.push(at, endOfNumber(sql, at));
        code = ANY_NUMBER;
        before = DIGIT;
      }
    } else if (code === QUOTE) {
      if (before === WORD && isLetterE(sql.charCodeAt(at - 1))) return undefined; // E'it\'s'
      const start = at;
      at = endOfString(sql, at) - 1;
      values?.push(start, at + 1);
      code = ANY_STRING;
      before = STRING;
    } else if (code === DOUBLE_QUOTE || code === BACKTICK) {
      name = code;
      before = OTHER;
    } else if (isComment(code, sql.charCodeAt(at + 1))) {
      at = endOfComment(sql, at) - 1;
      if (at < 0) return undefined;
      if (before === BLANK) continue;
      code = SPACE;
      before = BLANK;
    } else {
      if (isUnsure(code, KINDS[sql.charCodeAt(at + 1)], before)) return undefined;
      if (code !== DOLLAR || before !== WORD) before = OTHER; // a dollar in a word belongs to it
    }
    low = imul(low ^ code, 0x9e37_79b1);
    high = imul(high ^ code, 0x85eb_ca6b);
    high = (high << 13) | (high >>> 19);
  }
  return (low >>> 0) * 0x20_0000 + (high >>> 11);
}

/** Index after the string that begins at `at`. A doubled quote is a quote in it. */
export function endOfString(sql: string, at: number): number {
  let end = sql.indexOf("'", at + 1);
  while (end !== -1 && sql.charCodeAt(end + 1) === QUOTE) end = sql.indexOf("'", end + 2);
  return end === -1 ? sql.length : end + 1;
}

/** Index after the digits that begin at `at`. */
export function endOfNumber(sql: string, at: number): number {
  let end = at;
  while (isDigit(sql.charCodeAt(end))) end++;
  return end;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

const isLetterE = (code: number): boolean => (code | 32) === 101;

const isComment = (code: number, next: number): boolean =>
  (code === DASH && next === DASH) || (code === SLASH && next === STAR);

/** Index after a comment; 0 where a block comment has another in it, or no end. */
function endOfComment(sql: string, at: number): number {
  if (sql.charCodeAt(at) === DASH) {
    const end = sql.indexOf('\n', at);
    return end === -1 ? sql.length : end + 1;
  }
  const end = sql.indexOf('*/', at + 2);
  const nested = sql.indexOf('/*', at + 2);
  return end === -1 || (nested !== -1 && nested < end) ? 0 : end + 2;
}

/** Whether `$` or `[` may begin a dollar quote, a named placeholder or a name. */
function isUnsure(code: number, next: number | undefined, before: number): boolean {
  if (code === DASH || code === SLASH) return false;
  if (code === DOLLAR) return before !== WORD && next !== DIGIT;
  return next === WORD;
}
