// Latency over time as shades. The columns are points in time, and columns in which nothing was measured are hatched. A
// click, or Enter on the chosen cell, opens its traces.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { count, dateTime, duration } from '../model/format.ts';
import { theme } from '../state/theme.js';
import { useObservable } from '../state/observable.js';
import { cellAt, drawHeatmap, HEAT_HEIGHT } from './heatmap-drawing.js';

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param onCell called with { from, to, minDuration } of the chosen cell: epoch ms and ms */
export function Heatmap({ title, grid, onCell }) {
  const canvas = useRef(null);
  const [chosen, setChosen] = useState(undefined);
  const current = useObservable(theme);
  useEffect(() => {
    const element = canvas.current;
    const draw = () => drawHeatmap(element, grid, chosen);
    draw();
    const resizes = new ResizeObserver(draw);
    resizes.observe(element);
    return () => resizes.disconnect();
  }, [grid, current, chosen]);

  const countOf = ({ column, row }) => grid.cells.find((one) => one.column === column && one.row === row)?.count ?? 0;
  const open = (cell) => {
    if (cell === undefined || countOf(cell) === 0) return;
    const from = grid.timeAt(cell.column);
    // A request that ended in this column may have begun in the one before.
    onCell({ from: from - grid.resolution, to: from + grid.resolution, minDuration: grid.latencyAt(cell.row) });
  };
  const onKeyDown = (event) => {
    if (event.key === 'Enter') open(chosen);
    else if (event.key in MOVES) setChosen(moved(grid, chosen, MOVES[event.key]));
    else return;
    event.preventDefault();
  };
  const total = grid.cells.reduce((sum, cell) => sum + cell.count, 0);
  return html`
    <figure class="chart">
      <figcaption>
        ${title}
        <span class="chart-legend"
          >fewer <i class="heat-scale" aria-hidden="true"></i> more, up to ${count(grid.most)} requests per cell
          <i class="swatch gap" aria-hidden="true"></i>not measured</span
        >
      </figcaption>
      <canvas
        ref=${canvas}
        class="heatmap clickable"
        height=${HEAT_HEIGHT}
        tabindex="0"
        onClick=${(event) => open(cellAt(canvas.current, grid, event))}
        onMouseMove=${(event) => setChosen(cellAt(canvas.current, grid, event))}
        onMouseLeave=${() => setChosen(undefined)}
        onKeyDown=${onKeyDown}
        role="img"
        aria-label=${`${title}: ${total} requests since ${dateTime(grid.timeAt(0))}. Arrow keys choose a cell, Enter opens its traces.`}
      ></canvas>
      <p class="cursor-text" role="status">
        ${chosen ? `${dateTime(grid.timeAt(chosen.column))} · ${duration(grid.latencyAt(chosen.row))} to ${duration(grid.latencyAt(chosen.row - 1))} · ${grid.gaps.includes(chosen.column) ? 'not measured' : `${count(countOf(chosen))} requests`}` : ' '}
      </p>
    </figure>
  `;
}

function moved({ columns, rows }, chosen, [right, down]) {
  const { column, row } = chosen ?? { column: columns, row: rows - 1 };
  const within = (value, least, most) => Math.min(Math.max(value, least), most);
  return { column: within(column + right, 0, columns - 1), row: within(row + down, 0, rows - 1) };
}
