/** Splits a conversation, or a running text, into the units that are compared. */
import { tokenize } from './tokenize.js';

export interface Message {
  readonly role?: string | undefined;
  readonly content: string;
}

/** The smallest part at which a segment can begin. */
export interface Unit {
  /** Indices of the first and last message, or sentence of a running text, in the unit. */
  readonly first: number;
  readonly last: number;
  readonly text: string;
  readonly terms: readonly string[];
}

/** One unit per message. */
export function unitsOfMessages(messages: readonly Message[]): Unit[] {
  return messages.map(({ content }, i) => ({ first: i, last: i, text: content, terms: tokenize(content) }));
}

/**
 * The end of a sentence: white space after a full stop (and a closing quote), a full stop of a script without spaces,
 * or a blank line. Intl.Segmenter also handles abbreviations, but it took 20 s for the longest text that a request may
 * contain.
 */
const SENTENCE_END = /(?<=[.!?…]["'”’»)\]]{0,2})\s+|(?<=[。！？])(?![。！？」』\s])|\n\s*?\n/gu;

/** The sentences of a text. Joined, they equal the text. */
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
 * Collects whole sentences until they have `size` terms. These are Hearst's pseudo-sentences, but no sentence is cut.
 * Therefore a segment may begin at any gap.
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
