/** A conversation, or a running text, cut into the units that are compared. */
import { tokenize } from './tokenize.js';

export interface Message {
  readonly role?: string | undefined;
  readonly content: string;
}

/** The smallest piece a segment can begin with. */
export interface Unit {
  /** Indices of the first and the last message, or sentence of a running text, it is made of. */
  readonly first: number;
  readonly last: number;
  readonly text: string;
  readonly terms: readonly string[];
}

/** One unit a message. */
export function unitsOfMessages(messages: readonly Message[]): Unit[] {
  return messages.map(({ content }, i) => ({ first: i, last: i, text: content, terms: tokenize(content) }));
}

/**
 * Where a sentence ends: white space after a full stop (and a closing quote), a full stop of a script that needs no space,
 * a blank line. Intl.Segmenter knows abbreviations besides, but took 20 s for the longest text a request may hold.
 */
const SENTENCE_END = /(?<=[.!?…]["'”’»)\]]{0,2})\s+|(?<=[。！？])(?![。！？」』\s])|\n\s*?\n/gu;

/** The sentences of a text; put together they are the text. */
export function sentencesOf(text: string): string[] {
  const sentences: string[] = [];
  let start = 0;
  for (const end of text.matchAll(SENTENCE_END)) {
    sentences.push(text.slice(start, end.index + end[0].length));
    start = end.index + end[0].length;
  }
  sentences.push(text.slice(start));
  return sentences.filter((sentence) => sentence !== '');
}

/**
 * Whole sentences gathered until they have `size` terms: Hearst's pseudo-sentences, except that none is cut in the
 * middle, so that every gap is a place where a segment may begin.
 */
export function unitsOfText(text: string, size: number): Unit[] {
  const units: Unit[] = [];
  let pending: { first: number; last: number; text: string; terms: string[] } | undefined;
  let sentence = 0;
  for (const words of sentencesOf(text)) {
    pending ??= { first: sentence, last: sentence, text: '', terms: [] };
    pending.last = sentence++;
    pending.text += words;
    pending.terms.push(...tokenize(words));
    if (pending.terms.length >= size) {
      units.push(pending);
      pending = undefined;
    }
  }
  if (pending !== undefined && pending.text.trim() !== '') units.push(pending);
  return units;
}
