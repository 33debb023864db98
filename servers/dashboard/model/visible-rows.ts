/** The rows of a waterfall that are shown: without what is folded, and only what was searched for. */
import type { WaterfallRow } from './waterfall.js';

/** The rows that match, each with the rows above it that lead to it. */
export function matchingRows(
  rows: readonly WaterfallRow[],
  matches: (row: WaterfallRow) => boolean,
): readonly WaterfallRow[] {
  const wanted = new Set<WaterfallRow>();
  const path: WaterfallRow[] = [];
  for (const row of rows) {
    path.length = Math.min(path.length, row.depth);
    path.push(row);
    if (matches(row)) path.forEach((one) => wanted.add(one));
  }
  return rows.filter((row) => wanted.has(row));
}

/** The rows without those below a folded one. */
export function unfoldedRows(rows: readonly WaterfallRow[], folded: ReadonlySet<string>): readonly WaterfallRow[] {
  let hiddenBelow = Infinity;
  return rows.filter(({ span, depth }) => {
    if (depth > hiddenBelow) return false;
    hiddenBelow = folded.has(span.spanId) ? depth : Infinity;
    return true;
  });
}
