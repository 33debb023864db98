/** Analyses a conversation into segments with their topics. It is pure: equal input gives an equal result. */
import type { Unit } from './conversation.js';
import { mostTypical, topicVectors, topTerms, type Keyword } from './keywords.js';
import type { SegmentationSettings } from './settings.js';
import { tile, type Gap } from './text-tiling.js';
import { dropFrequent } from './tokenize.js';

export interface Segment {
  /** Indices of the first and last message (or sentence). */
  readonly from: number;
  readonly to: number;
  readonly units: number;
  readonly terms: number;
  readonly keywords: readonly Keyword[];
  /** The most typical unit, unchanged except that it is cut to 280 characters. */
  readonly summary: string;
  /** How clearly the segment starts: the depth of the gap before it; null for the first segment. */
  readonly depth: number | null;
}

export interface Analysis {
  readonly segments: readonly Segment[];
  /** Indices of the messages (or sentences) that begin a segment, without the first one. */
  readonly boundaries: readonly number[];
  readonly gaps: readonly Gap[];
  readonly threshold: number;
  /** The topic of the whole conversation. */
  readonly topic: readonly Keyword[];
}

const SUMMARY_LENGTH = 280;
const TOPIC_TERMS = 50;

export function analyze(units: readonly Unit[], settings: SegmentationSettings): Analysis {
  const terms = dropFrequent(
    units.map((unit) => unit.terms),
    settings.frequentTerms,
  );
  const { gaps, threshold, boundaries } = tile(terms, settings);
  const starts = units.length === 0 ? [] : [0, ...boundaries];
  const parts = starts.map((start, i) => ({ start, end: starts[i + 1] ?? units.length }));
  const vectors = topicVectors(parts.map(({ start, end }) => terms.slice(start, end).flat()));
  const segments = parts.map(({ start, end }, i): Segment => {
    const typical = mostTypical(terms.slice(start, end), vectors[i]!);
    return {
      from: units[start]!.first,
      to: units[end - 1]!.last,
      units: end - start,
      terms: units.slice(start, end).reduce((sum, unit) => sum + unit.terms.length, 0),
      keywords: topTerms(vectors[i]!, settings.keywords),
      summary: shortened(units[start + Math.max(0, typical)]!.text),
      depth: start === 0 ? null : gaps[start - 1]!.depth,
    };
  });
  const [whole = new Map<string, number>()] = topicVectors([terms.flat()]);
  return {
    segments,
    boundaries: boundaries.map((start) => units[start]!.first),
    gaps,
    threshold,
    topic: topTerms(whole, TOPIC_TERMS),
  };
}

function shortened(text: string): string {
  const plain = text.trim().replace(/\s+/g, ' ');
  const characters = [...plain];
  return characters.length <= SUMMARY_LENGTH ? plain : `${characters.slice(0, SUMMARY_LENGTH - 1).join('')}…`;
}
