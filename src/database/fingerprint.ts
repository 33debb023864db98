/**
 * The shape of a statement, without its values: what statistics are kept by and logs may show. Two statements that
 * differ only in literals, placeholders, comments, case, white space or the length of a list have one fingerprint.
 */
import { createHash } from 'node:crypto';
import { squashCut, squashLists, type Piece } from './list-squash.js';
import { KEYWORDS } from './sql-keywords.js';
import { tokenizeSql, type SqlToken } from './sql-tokens.js';
import { skeletonOf } from './statement-skeleton.js';

const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;

/** Characters of a shape; a longer one is cut and ends with its hash. */
const LONGEST = 2000;

/**
 * Longest statement, in characters, that is read completely, so that a shape costs microseconds for a statement of any
 * length.
 */
const READ_WHOLE = 4096;

/** Of a longer statement: what is read of its beginning, and of its end. */
const HEAD = 2048;
const TAIL = 512;

const isValue = ({ kind }: SqlToken): boolean => kind === 'string' || kind === 'number' || kind === 'placeholder';

/** Whether a sign at this place belongs to the number after it, as in `= -1`, and not to a subtraction. */
function isSign(tokens: readonly SqlToken[], i: number): boolean {
  const sign = tokens[i]!;
  if (sign.text !== '-' && sign.text !== '+') return false;
  if (tokens[i + 1]?.kind !== 'number') return false;
  const before = tokens[i - 1];
  if (before === undefined || before.kind === 'operator') return true;
  return before.kind === 'word'
    ? KEYWORDS.has(before.value)
    : before.text === '(' || before.text === ',' || before.text === '[';
}

function pieceOf({ kind, text, value }: SqlToken): Piece {
  if (kind === 'word') return value;
  // A quoted name that needs no quotes is the same name without them.
  if (kind === 'quoted') return PLAIN_NAME.test(value) && !KEYWORDS.has(value) ? value : text;
  return text;
}

function piecesOf(tokens: readonly SqlToken[]): Piece[] {
  const pieces: Piece[] = [];
  tokens.forEach((token, i) => {
    if (isValue(token)) pieces.push('?');
    else if (!isSign(tokens, i)) pieces.push(pieceOf(token));
  });
  while (pieces.at(-1) === ';') pieces.pop();
  return pieces;
}

const NO_SPACE_BEFORE: ReadonlySet<Piece> = new Set([',', ')', ';', '.', ']', '[', '::']);
const NO_SPACE_AFTER: ReadonlySet<Piece> = new Set(['(', '.', '[', '::']);

function needsSpace(before: Piece, piece: Piece): boolean {
  if (NO_SPACE_BEFORE.has(piece) || NO_SPACE_AFTER.has(before)) return false;
  return piece !== '(' || KEYWORDS.has(before) || !/[\w"`\]]$/.test(before);
}

function join(pieces: readonly Piece[]): string {
  let shape = '';
  let before: Piece = '(';
  for (const piece of pieces) {
    shape += needsSpace(before, piece) ? ` ${piece}` : piece;
    before = piece;
  }
  return shape;
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** In an end without these no comment, dollar quote or quoted name can have begun before it: its words may be shown. */
const UNCERTAIN = /\$(?!\d)|--|\*\/|["`]/;

/** The end of a long statement from where no string is open in it, and no word cut in two. */
function tailOf(sql: string): string {
  const end = sql.slice(-TAIL);
  const quote = end.lastIndexOf("'");
  return end.slice(quote === -1 ? Math.max(0, end.search(/[\s,()]/)) : quote + 1);
}

/** The text after a list of values: it begins with a keyword after a closing bracket. */
function behindList(tail: readonly Piece[]): readonly Piece[] {
  const start = tail.findIndex((piece, i) => KEYWORDS.has(piece) && [')', ']'].includes(tail[i - 1] ?? ''));
  return start === -1 ? [] : tail.slice(start);
}

const CLOSING: Readonly<Record<Piece, Piece>> = { '(': ')', '[': ']' };

/** The brackets that close those left open, the innermost first. */
function closersOf(pieces: readonly Piece[]): Piece[] {
  const open: Piece[] = [];
  for (const piece of pieces) {
    if (piece === '(' || piece === '[') open.unshift(CLOSING[piece]!);
    else if (piece === ')' || piece === ']') open.shift();
  }
  return open;
}

/** How many brackets these close that were open before. */
function closedBy(pieces: readonly Piece[]): number {
  const opening = pieces.filter((piece) => piece === '(' || piece === '[').length;
  return pieces.filter((piece) => piece === ')' || piece === ']').length - opening;
}

/** Makes the shape of a statement of this many characters. */
export type ShapeOf = (length: number) => string;

/**
 * The shape of a statement too long to be read. Where it is cut within a list, it is that of the same statement with a
 * short list; else its beginning, and a hash of beginning, end and length.
 */
function longShape(sql: string): ShapeOf {
  const tokens = tokenizeSql(sql.slice(0, HEAD));
  const last = tokens.pop(); // cut in two, or ending by chance where the text was cut
  const { pieces, isInList } = squashCut(piecesOf(tokens));
  const tail = piecesOf(tokenizeSql(tailOf(sql)));
  const rest = behindList(tail);
  const closers = closersOf(pieces);
  if (isInList && closers.length >= closedBy(rest) && !UNCERTAIN.test(sql.slice(-TAIL))) {
    const missing = closers.slice(0, closers.length - closedBy(rest));
    const shape = shorten(join(squashLists([...pieces, ...missing, ...rest])));
    return () => shape;
  }
  const head = join(pieces);
  const end = join(squashLists(isInList ? rest : tail));
  // Within a value the length is that of the value.
  const hasLength = !isInList && last !== undefined && !isValue(last);
  return (length) => `${head.slice(0, LONGEST)}… #${hashOf(`${head}\n${end}\n${hasLength ? length : ''}`)}`;
}

/** Whether the shape of a statement is made from all of its text. */
export const isReadWhole = (sql: string): boolean => sql.length <= READ_WHOLE;

/** Equal for texts of which `shapeOf` makes the same; undefined where only the tokenizer can tell. */
export function shapeKey(sql: string): number | string | undefined {
  if (isReadWhole(sql)) return skeletonOf(sql);
  if (UNCERTAIN.test(sql.slice(-TAIL))) return undefined;
  const head = skeletonOf(sql.slice(0, HEAD));
  const tail = skeletonOf(tailOf(sql));
  return head === undefined || tail === undefined ? undefined : `${head} ${tail}`;
}

function shorten(shape: string): string {
  return shape.length <= LONGEST ? shape : `${shape.slice(0, LONGEST)}… #${hashOf(shape)}`;
}

/** The result of `fingerprint` for this statement, and for others that have the same `shapeKey`. */
export function shapeOf(sql: string): ShapeOf {
  if (!isReadWhole(sql)) return longShape(sql);
  const shape = shorten(join(squashLists(piecesOf(tokenizeSql(sql)))));
  return () => shape;
}

/**
 * The shape of a statement: values as `?`, names and keywords in lower case, one space where one is needed. Of a
 * statement of more than 4096 characters only the beginning and the end are read.
 */
export function fingerprint(sql: string): string {
  return shapeOf(sql)(sql.length);
}
