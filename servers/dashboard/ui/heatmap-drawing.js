// Draws the heatmap with its axes, and finds the cell at a position.
import { clockTime, dateTime, duration } from '../model/format.ts';
import { inkColors } from './ink.js';

export const HEAT_HEIGHT = 200;
/** Width of the labels to the left of the grid, and height of those below. */
const GUTTER = 64;
const FOOT = 20;
/** Space for half of the last time label. */
const RIGHT = 34;
const FAINTEST = 0.15;
const LABEL_SPACE = 120;
const DAY_MS = 86_400_000;

function boxOf(canvas) {
  return { width: canvas.clientWidth - GUTTER - RIGHT, height: HEAT_HEIGHT - FOOT };
}

export function cellAt(canvas, { columns, rows }, { offsetX, offsetY }) {
  const { width, height } = boxOf(canvas);
  const column = Math.floor(((offsetX - GUTTER) / width) * columns);
  const row = Math.floor((offsetY / height) * rows);
  return column < 0 || column >= columns || row < 0 || row >= rows ? undefined : { column, row };
}

export function drawHeatmap(canvas, grid, chosen) {
  const ratio = devicePixelRatio;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = HEAT_HEIGHT * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const ink = inkColors();
  const { width, height } = boxOf(canvas);
  const cell = { width: width / grid.columns, height: height / grid.rows };
  drawGaps(pen, grid, cell, height, ink);
  pen.fillStyle = ink.accent;
  for (const { column, row, shade } of grid.cells) {
    pen.globalAlpha = FAINTEST + (1 - FAINTEST) * shade;
    const [x, y] = [GUTTER + column * cell.width, row * cell.height];
    pen.fillRect(x, y, Math.max(1, cell.width - 0.5), Math.max(1, cell.height - 1));
  }
  pen.globalAlpha = 1;
  if (chosen !== undefined) {
    pen.strokeStyle = ink.muted;
    pen.lineWidth = 2;
    pen.strokeRect(GUTTER + chosen.column * cell.width, chosen.row * cell.height, cell.width, cell.height);
  }
  drawAxes(pen, grid, { cell, width, height, ink });
}

/** Hatches the columns in which nothing was measured. */
function drawGaps(pen, { gaps }, cell, height, ink) {
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  for (const column of gaps) {
    const x = GUTTER + column * cell.width;
    pen.save();
    pen.beginPath();
    pen.rect(x, 0, cell.width + 0.5, height);
    pen.clip();
    pen.beginPath();
    const first = Math.floor(x / 8) * 8;
    for (let at = first - height; at < x + cell.width; at += 8) {
      pen.moveTo(at, height);
      pen.lineTo(at + height, 0);
    }
    pen.stroke();
    pen.restore();
  }
}

function drawAxes(pen, grid, { cell, width, height, ink }) {
  pen.fillStyle = ink.muted;
  pen.font = '12px system-ui';
  pen.textAlign = 'right';
  const step = Math.max(1, Math.round(grid.rows / 5));
  for (let row = grid.rows - 1; row >= 0; row -= step)
    pen.fillText(duration(grid.latencyAt(row)), GUTTER - 8, Math.max(12, (row + 1) * cell.height - 2));
  pen.textAlign = 'center';
  const isLong = grid.columns * grid.resolution > DAY_MS;
  const every = Math.ceil(grid.columns / Math.max(1, Math.floor(width / LABEL_SPACE)));
  for (let column = 0; column < grid.columns; column += every) {
    const at = grid.timeAt(column);
    const label = isLong ? dateTime(at).replace(/:\d\d( UTC)?$/, '') : clockTime(at);
    pen.fillText(label, GUTTER + column * cell.width, height + 15);
  }
}
