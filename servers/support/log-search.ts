/** Finds stored log lines. */
import * as z from 'zod';
import { readLogLine } from '../dashboard/model/log-line.js';
import { isAtLeast, isNotable, LEVELS, type Level } from './log-level.js';
import type { HeldLines, LogSource, LogTail, StoredLine } from './log-tail.js';
import { traceId } from './trace-query.js';

/** Maximum length of a filter, and maximum number of words in it. */
const LONGEST_TEXT = 200;
const MOST_WORDS = 10;

/** Maximum number of lines in one answer, and of their characters. */
const MOST_LINES = 500;
const MOST_CHARACTERS = 500_000;

/** Long enough for the positions in a thousand tails. */
const LONGEST_CURSOR = 32_000;

export const logQuery = z.object({
  /** Epoch milliseconds; `to` is excluded. */
  from: z.coerce.number().min(0).optional(),
  to: z.coerce.number().min(0).optional(),
  /** The least severe level. Output without a level is always included. */
  level: z.enum(LEVELS).optional(),
  /** Words that a line contains, or with `!` before them does not contain. */
  text: z.string().max(LONGEST_TEXT).optional(),
  service: z.string().max(100).optional(),
  instance: z.string().max(200).optional(),
  trace: traceId.optional(),
  /** Only lines after these positions, from the `cursor` of an earlier answer: `<tail>.<seq>,<tail>.<seq>`. */
  after: z
    .string()
    .max(LONGEST_CURSOR)
    .regex(/^(\w+\.\d+(,|$))*$/, 'expected the cursor of an earlier answer')
    .optional(),
  limit: z.coerce.number().int().min(1).max(MOST_LINES).default(MOST_LINES),
});

export type LogQuery = z.output<typeof logQuery>;

export interface FoundLine extends LogSource, StoredLine {}

/** An instance whose lines are stored. */
export interface StoredSource extends LogSource {
  /** Epoch milliseconds before which lines that the query asks for may be missing; undefined if none is missing. */
  readonly droppedBefore: number | undefined;
}

export interface FoundLines {
  /** The tail that was searched, and its latest line. */
  readonly tail: string;
  readonly last: number;
  /** Oldest first. */
  readonly lines: readonly FoundLine[];
  /** Whether older lines match too. */
  readonly hasMore: boolean;
  readonly sources: readonly StoredSource[];
}

/** The positions in a cursor, by the id of the tail. */
export function positionsOf(cursor: string | undefined): Map<string, number> {
  const pairs = (cursor ?? '').split(',').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => pair.split('.', 2)).map(([tail = '', seq]) => [tail, Number(seq)]));
}

/** The latest lines that match. */
export function searchLogs(tail: LogTail, query: LogQuery): FoundLines {
  const held = tail.held();
  const after = positionsOf(query.after).get(tail.id) ?? 0;
  const matches = lineFilter(query, after, tail.clean);
  const found = held
    .filter(({ source }) => isWantedSource(source, query))
    .flatMap(({ source, lines }) =>
      lines.filter((line) => matches(line, source)).map((line) => ({ ...source, ...line })),
    );
  const sources = held.map((one) => ({ ...one.source, droppedBefore: droppedBefore(one, query.level) }));
  const { lines, hasMore } = latest(found, query.limit);
  const clean = lines.map((found) => ({ ...found, line: tail.clean(found.line) }));
  return { tail: tail.id, last: tail.last, sources, lines: clean, hasMore };
}

/** The latest of these lines, in the order of time. */
export function latest<T extends StoredLine>(
  lines: readonly T[],
  limit: number,
): { readonly lines: readonly T[]; readonly hasMore: boolean } {
  const sorted = [...lines].sort((a, b) => a.at - b.at || a.seq - b.seq);
  let characters = 0;
  const tooOld = sorted.findLastIndex(({ line }, i) => {
    characters += line.length;
    return sorted.length - i > limit || characters > MOST_CHARACTERS;
  });
  return { lines: sorted.slice(tooOld + 1), hasMore: tooOld >= 0 };
}

function isWantedSource({ service, instance }: LogSource, query: LogQuery): boolean {
  return (query.service ?? service) === service && (query.instance ?? instance) === instance;
}

function droppedBefore(held: HeldLines, level: Level | undefined): number | undefined {
  return isNotable(level) ? held.notableDroppedBefore : held.droppedBefore;
}

function lineFilter(
  { from = 0, to = Infinity, level: least, text, trace }: LogQuery,
  after: number,
  clean: (text: string) => string,
) {
  const hasText = textFilter(text ?? '', clean);
  return (stored: StoredLine, source: LogSource): boolean => {
    const { seq, at, level, line } = stored;
    if (seq <= after || at < from || at >= to) return false;
    if (least !== undefined && level !== undefined && !isAtLeast(level, least)) return false;
    return (trace === undefined || line.includes(trace)) && hasText(stored, source);
  };
}

/** Compares with the text that the page shows, in any letter case. That text has no secrets. */
function textFilter(
  filter: string,
  clean: (text: string) => string,
): (stored: StoredLine, source: LogSource) => boolean {
  const words = (filter.toLowerCase().match(/\S+/g) ?? []).slice(0, MOST_WORDS);
  if (words.length === 0) return () => true;
  const unwanted = words.filter((word) => word.length > 1 && word.startsWith('!')).map((word) => word.slice(1));
  const wanted = words.filter((word) => !word.startsWith('!'));
  // The page shows these signs in places where the line as printed has none.
  const pieces = wanted.flatMap((word) => word.split(/[=:]/));
  return ({ line, level = '' }, { service, instance }) => {
    const about = `${service} ${instance} ${level}`;
    if (!mayContain(`${about} ${line}`.toLowerCase(), pieces)) return false;
    const { text, stack = '', traceId: id = '' } = readLogLine(clean(line));
    const shown = `${about} ${text} ${stack} ${id}`.toLowerCase();
    return wanted.every((word) => shown.includes(word)) && !unwanted.some((word) => shown.includes(word));
  };
}

/** Whether a line can match. Most lines cannot and are not parsed. */
function mayContain(printed: string, pieces: readonly string[]): boolean {
  return printed.includes('\\') || pieces.every((piece) => piece.includes('"') || printed.includes(piece));
}
