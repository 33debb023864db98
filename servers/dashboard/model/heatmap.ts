/** Latencies over time as a grid: one column per slot, two rows per doubling of the latency. */
import type { Grid } from '../../history/aggregate.js';
import type { ServicePoint } from '../../web/fleet-history.js';
import { ROWS_PER_OCTAVE } from '../../web/traffic-merge.js';

export interface HeatCell {
  readonly column: number;
  /** Counted from the top. */
  readonly row: number;
  readonly count: number;
  /** 0 to 1: logarithm of the count relative to the highest count. This keeps low counts visible beside high counts. */
  readonly shade: number;
}

export interface HeatGrid {
  readonly columns: number;
  readonly rows: number;
  readonly cells: readonly HeatCell[];
  /** The columns in which nothing was measured. */
  readonly gaps: readonly number[];
  /** The highest count. */
  readonly most: number;
  /** Length of a column in milliseconds. */
  readonly resolution: number;
  /** Latency in milliseconds at the lower edge of a row, counted from the top. */
  readonly latencyAt: (row: number) => number;
  /** Epoch milliseconds at the start of a column. */
  readonly timeAt: (column: number) => number;
}

/** Fewer rows would exaggerate small variations. */
const MIN_ROWS = 8;

export function heatGrid({ from, to, resolution }: Grid, points: readonly ServicePoint[]): HeatGrid {
  const columns = Math.round((to - from) / resolution);
  const measured = new Map(points.map((point) => [Math.round((point.at - from) / resolution), point.traffic.heat]));
  const pairs = [...measured.values()].flat();
  const low = pairs.length === 0 ? 0 : Math.min(...pairs.map(([row]) => row));
  const high = Math.max(low + MIN_ROWS - 1, ...pairs.map(([row]) => row));
  const most = Math.max(1, ...pairs.map(([, count]) => count));
  const cells = [...measured].flatMap(([column, heat]) =>
    heat.map(([row, count]) => ({
      column,
      row: high - row,
      count,
      shade: Math.log(1 + count) / Math.log(1 + most),
    })),
  );
  return {
    columns,
    rows: high - low + 1,
    cells,
    gaps: Array.from({ length: columns }, (_, column) => column).filter((column) => !measured.has(column)),
    most,
    resolution,
    latencyAt: (row) => 2 ** ((high - row) / ROWS_PER_OCTAVE),
    timeAt: (column) => from + column * resolution,
  };
}
