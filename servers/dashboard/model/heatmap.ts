/** Latencies over time as a grid: a column a point, a row for each half octave of latency. */
import { FleetHistory } from './history.js';
import { ROWS_PER_OCTAVE, type TrafficPoint } from '../../web/traffic-merge.js';

export interface HeatCell {
  readonly column: number;
  /** From the top. */
  readonly row: number;
  readonly count: number;
  /** 0 to 1: the logarithm of the count over that of the highest, so that few are seen beside many. */
  readonly shade: number;
}

export interface HeatGrid {
  readonly columns: number;
  readonly rows: number;
  readonly cells: readonly HeatCell[];
  /** Milliseconds at the lower edge of a row, counted from the top. */
  readonly latencyAt: (row: number) => number;
  /** Epoch milliseconds at which a column begins. */
  readonly timeAt: (column: number) => number;
}

/** Fewer rows than this would magnify noise. */
const MIN_ROWS = 8;

/** @param columns the latest points shown; there is a place for each although there are fewer points */
export function heatGrid(
  points: readonly TrafficPoint[],
  slotMs: number,
  columns: number,
  service: string,
  route?: string,
): HeatGrid {
  const shown = points.slice(-columns);
  const heats = shown.map((point) => FleetHistory.figures(point, service, route).heat);
  const present = heats.flatMap((heat) => heat.map(([row]) => row));
  const low = present.length === 0 ? 0 : Math.min(...present);
  const high = Math.max(present.length === 0 ? 0 : Math.max(...present), low + MIN_ROWS - 1);
  const most = Math.max(1, ...heats.flatMap((heat) => heat.map(([, count]) => count)));
  const offset = columns - shown.length;
  const cells = heats.flatMap((heat, i) =>
    heat.map(([row, count]) => ({
      column: offset + i,
      row: high - row,
      count,
      shade: Math.log(1 + count) / Math.log(1 + most),
    })),
  );
  const last = shown.at(-1)?.slot ?? 0;
  return {
    columns,
    rows: high - low + 1,
    cells,
    latencyAt: (row) => 2 ** ((high - row) / ROWS_PER_OCTAVE),
    timeAt: (column) => (last - (columns - 1 - column)) * slotMs,
  };
}
