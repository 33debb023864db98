/** Lays out a table in the width of a terminal. A number is shown whole or not at all. */
import { padded, shortened, widthOf, type Line, type Segment } from './line.js';
import type { Column, Row, Table } from './tables.js';

const GAP = 2;
/** The first column is shortened to this width before another column is left out. */
const MIN_FIRST = 20;
/** Most numbers fit, so that the columns do not move from frame to frame. */
const MIN_NUMBER = 7;

export interface TableLines {
  readonly title: Line;
  readonly rows: readonly Line[];
  /** Titles of the columns that do not fit. */
  readonly leftOut: readonly string[];
}

interface Slot {
  readonly index: number;
  readonly column: Column;
  readonly width: number;
}

/** @param width columns of the terminal; Infinity without a terminal */
export function tableLines({ columns, rows }: Table, width: number, sortedBy?: number): TableLines {
  const slots = fitted(columns, rows, width);
  const cellsOf = (segmentOf: (slot: Slot) => Segment): Segment[] =>
    slots.map((slot, i) => ({ ...segmentOf(slot), text: placed(segmentOf(slot).text, slot, i === slots.length - 1) }));
  return {
    title: {
      segments: cellsOf(({ index, column }) => ({
        text: column.title,
        tone: index === sortedBy ? 'strong' : 'muted',
      })),
    },
    rows: rows.map(({ cells }) => ({ segments: cellsOf(({ index }) => cells[index]!) })),
    leftOut: columns.filter((column) => !slots.some((slot) => slot.column === column)).map(({ title }) => title),
  };
}

function placed(text: string, { column, width }: Slot, isLast: boolean): string {
  const shown = padded(shortened(text, width), width, column.isNumber);
  return isLast ? shown.trimEnd() : shown + ' '.repeat(GAP);
}

function fitted(columns: readonly Column[], rows: readonly Row[], width: number): Slot[] {
  let slots: Slot[] = columns.map((column, index) => ({ index, column, width: naturalWidth(column, rows, index) }));
  const rest = (): number => slots.slice(1).reduce((sum, slot) => sum + GAP + slot.width, 0);
  const first = slots[0]!.width;
  while (slots.length > 1 && rest() + Math.min(first, MIN_FIRST) > width) {
    const last = slots.reduce((a, b) => (b.column.rank > a.column.rank ? b : a));
    slots = slots.filter((slot) => slot !== last);
  }
  return [{ ...slots[0]!, width: Math.min(first, Math.max(1, width - rest())) }, ...slots.slice(1)];
}

function naturalWidth({ title, isNumber }: Column, rows: readonly Row[], index: number): number {
  const widths = rows.map(({ cells }) => widthOf(cells[index]!.text));
  return Math.max(isNumber ? MIN_NUMBER : 0, title.length, ...widths);
}
