// Latency over time as shades: a click opens the traces behind a cell.
import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { clockTime, duration } from '../model/format.ts';
import { theme } from '../state/theme.js';
import { useObservable } from '../state/observable.js';
import { inkColors } from './ink.js';

const HEIGHT = 180;
/** Room for the words left of the grid. */
const GUTTER = 64;
const FAINTEST = 0.15;

/** @param onCell called with { from, to, minDuration } of the cell that was clicked: epoch ms and ms */
export function Heatmap({ title, grid, slotMs, onCell }) {
  const canvas = useRef(null);
  const current = useObservable(theme);
  useEffect(() => {
    const element = canvas.current;
    const draw = () => drawGrid(element, grid);
    draw();
    const resizes = new ResizeObserver(draw);
    resizes.observe(element);
    return () => resizes.disconnect();
  }, [grid, current]);

  const click = (event) => {
    const { width } = canvas.current.getBoundingClientRect();
    const column = Math.floor(((event.offsetX - GUTTER) / (width - GUTTER)) * grid.columns);
    const row = Math.floor((event.offsetY / HEIGHT) * grid.rows);
    const cell = grid.cells.find((one) => one.column === column && one.row === row);
    if (cell === undefined) return;
    const from = grid.timeAt(column);
    // What began in the slot before may have ended in this one.
    onCell({ from: from - slotMs, to: from + slotMs, minDuration: grid.latencyAt(row) });
  };
  const total = grid.cells.reduce((sum, { count }) => sum + count, 0);
  return html`
    <figure class="chart">
      <figcaption>${title}</figcaption>
      <canvas
        ref=${canvas}
        class="heatmap clickable"
        height=${HEIGHT}
        onClick=${click}
        role="img"
        aria-label=${`${title}: ${total} requests since ${clockTime(grid.timeAt(0))}`}
      ></canvas>
    </figure>
  `;
}

function drawGrid(canvas, grid) {
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const ink = inkColors();
  const cellWidth = (width - GUTTER) / grid.columns;
  const cellHeight = HEIGHT / grid.rows;
  pen.fillStyle = ink.accent;
  for (const { column, row, shade } of grid.cells) {
    pen.globalAlpha = FAINTEST + (1 - FAINTEST) * shade;
    pen.fillRect(
      GUTTER + column * cellWidth,
      row * cellHeight,
      Math.max(1, cellWidth - 1),
      Math.max(1, cellHeight - 1),
    );
  }
  pen.globalAlpha = 1;
  pen.fillStyle = ink.muted;
  pen.font = '12px system-ui';
  pen.textAlign = 'right';
  const step = Math.max(1, Math.round(grid.rows / 5));
  for (let row = grid.rows - 1; row >= 0; row -= step) {
    pen.fillText(duration(grid.latencyAt(row)), GUTTER - 8, Math.max(12, (row + 1) * cellHeight - 2));
  }
}
