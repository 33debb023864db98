/** Lines of text for a terminal: segments with a tone, measured in columns, and painted with escape sequences. */
import stringWidth from 'string-width';
import type { Tone as StateTone } from '../dashboard/model/state-sign.js';

export type Tone = StateTone | 'muted' | 'strong';

export interface Segment {
  readonly text: string;
  /** `plain` by default. */
  readonly tone?: Tone;
}

export interface Line {
  readonly segments: readonly Segment[];
  readonly isSelected?: boolean;
}

/** Select Graphic Rendition (ECMA-48, 8.3.117): colours, and attributes that `NO_COLOR` leaves on. */
const COLOURS: Readonly<Partial<Record<Tone, string>>> = { good: '32', warn: '33', bad: '31' };
const ATTRIBUTES: Readonly<Partial<Record<Tone, string>>> = { muted: '2', strong: '1' };
const REVERSE = '7';

const ELLIPSIS = '…';
const graphemes = new Intl.Segmenter();

/** Columns that the text occupies: a Chinese character takes two. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** Replaces control characters, because names and log lines could otherwise control the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach the terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

/** The text in at most `width` columns, with an ellipsis in the middle: the beginning and the end distinguish names. */
export function shortened(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return width === 1 ? ELLIPSIS : '';
  const head = Math.ceil((width - 1) / 2);
  return `${beginning(text, head)}${ELLIPSIS}${ending(text, width - 1 - head)}`;
}

/** As many characters from the beginning as fit. */
export function beginning(text: string, width: number): string {
  return fitting(charactersOf(text), width).join('');
}

function ending(text: string, width: number): string {
  return fitting(charactersOf(text).reverse(), width).reverse().join('');
}

function charactersOf(text: string): string[] {
  return [...graphemes.segment(text)].map(({ segment }) => segment);
}

function fitting(characters: readonly string[], width: number): string[] {
  let used = 0;
  const end = characters.findIndex((character) => (used += widthOf(character)) > width);
  return characters.slice(0, end === -1 ? undefined : end);
}

/** The text in pieces of at most `width` columns. */
export function wrapped(text: string, width: number): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (widthOf(rest) > width) {
    const piece = beginning(rest, width) || charactersOf(rest)[0]!; // a wide character in a terminal of one column
    pieces.push(piece);
    rest = rest.slice(piece.length);
  }
  return [...pieces, rest];
}

export function padded(text: string, width: number, isRight: boolean): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isRight ? space + text : text + space;
}

/** A line of one tone. */
export function line(text: string, tone: Tone = 'plain'): Line {
  return { segments: [{ text, tone }] };
}

/** The text of a line without tones. */
export function textOf({ segments }: Line): string {
  return segments.map(({ text }) => text).join('');
}

/** The line with escape sequences, in at most `width` columns. A selected line fills the width. */
export function paint({ segments, isSelected = false }: Line, width: number, hasColour: boolean): string {
  let left = width;
  const painted = segments.map(({ text, tone = 'plain' }) => {
    const shown = beginning(text, left);
    left -= widthOf(shown);
    const colour = hasColour ? COLOURS[tone] : undefined;
    return styled(shown, [isSelected ? REVERSE : undefined, ATTRIBUTES[tone], colour]);
  });
  return painted.join('') + (isSelected ? styled(' '.repeat(left), [REVERSE]) : '');
}

function styled(text: string, codes: ReadonlyArray<string | undefined>): string {
  const given = codes.filter((code) => code !== undefined);
  return text === '' || given.length === 0 ? text : `\u001b[${given.join(';')}m${text}\u001b[0m`;
}
