/**
 * The shape of a statement, without its values: what statistics are kept by and logs may show. Two statements that
 * differ only in literals, placeholders, comments, case, white space or the length of a list have one fingerprint.
 */
import { createHash } from 'node:crypto';
import { KEYWORDS } from './sql-keywords.js';
import { tokenizeSql, type SqlToken } from './sql-tokens.js';

const PLAIN_NAME = /^[a-z_][a-z0-9_]*$/;
const LONGEST = 2000;

/** One word of a fingerprint; `?` stands for a value. */
type Piece = string;

const isValue = ({ kind }: SqlToken): boolean => kind === 'string' || kind === 'number' || kind === 'placeholder';

/** Whether a sign at this place belongs to the number after it, as in `= -1`, and not to a subtraction. */
function isSign(tokens: readonly SqlToken[], i: number): boolean {
  const sign = tokens[i]!;
  if (sign.text !== '-' && sign.text !== '+') return false;
  if (tokens[i + 1]?.kind !== 'number') return false;
  const before = tokens[i - 1];
  if (before === undefined || before.kind === 'operator') return true;
  return before.kind === 'word' ? KEYWORDS.has(before.value) : before.text === '(' || before.text === ',';
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

/** Index after a list that begins at `open` and holds values only, or `open` when it does not. */
function endOfValueList(pieces: readonly Piece[], open: number, opening: string, closing: string): number {
  if (pieces[open] !== opening) return open;
  let i = open + 1;
  while (pieces[i] === '?' && pieces[i + 1] === ',') i += 2;
  return pieces[i] === '?' && pieces[i + 1] === closing ? i + 2 : open;
}

/** Index after further rows, `, (?, ?), (?, ?)`. */
function endOfRows(pieces: readonly Piece[], from: number): number {
  let end = from;
  while (pieces[end] === ',') {
    const next = endOfValueList(pieces, end + 1, '(', ')');
    if (next === end + 1) break;
    end = next;
  }
  return end;
}

/** `in (?, ?, ?)` and `array[?, ?]` become lists of one, `values (?, ?), (?, ?)` one row. */
function squashLists(pieces: readonly Piece[]): Piece[] {
  const squashed: Piece[] = [];
  for (let i = 0; i < pieces.length;) {
    const piece = pieces[i++]!;
    squashed.push(piece);
    if (piece === 'in' || piece === 'array') {
      const [opening, closing] = piece === 'in' ? (['(', ')'] as const) : (['[', ']'] as const);
      const end = endOfValueList(pieces, i, opening, closing);
      if (end > i) squashed.push(opening, '?', closing);
      i = end;
    } else if (piece === 'values') {
      const end = endOfValueList(pieces, i, '(', ')');
      squashed.push(...pieces.slice(i, end));
      i = end;
      i = endOfRows(pieces, i);
    }
  }
  return squashed;
}

function needsSpace(before: Piece, piece: Piece): boolean {
  if ([',', ')', ';', '.', ']', '[', '::'].includes(piece)) return false;
  if (['(', '.', '[', '::'].includes(before)) return false;
  return piece !== '(' || KEYWORDS.has(before) || !/[\w"`\]]$/.test(before);
}

/** The shape of a statement: values as `?`, names and keywords in lower case, one space where one is needed. */
export function fingerprint(sql: string): string {
  let shape = '';
  let before: Piece = '(';
  for (const piece of squashLists(piecesOf(tokenizeSql(sql)))) {
    shape += needsSpace(before, piece) ? ` ${piece}` : piece;
    before = piece;
  }
  if (shape.length <= LONGEST) return shape;
  return `${shape.slice(0, LONGEST)}… #${createHash('sha256').update(shape).digest('hex').slice(0, 16)}`;
}
