// The options of a uPlot chart: axes that are never clipped, gaps, single points, steps, the shared cursor and events.
import { clockTime, dateTime } from '../model/format.ts';
import { inkColors } from './ink.js';

export const HEIGHTS = { normal: 190, small: 96 };

/** Dashes distinguish the lines without colours. */
export const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3], [1, 4], [12, 4]];

const DAY_S = 86_400;
const CHARACTER_PX = 7;
/** Space for half of the last label of the time axis. */
const PADDING = [10, 34, 0, 0];
const EVENT_INKS = { crash: 'bad', circuit: 'bad', limit: 'warn', deploy: 'violet', scale: 'teal', purge: 'muted' };

export function chartOptions({ Plot, element, lines, current, isWhole, size }) {
  const ink = inkColors();
  const axis = {
    stroke: ink.muted,
    grid: { stroke: ink.line, width: 1 },
    ticks: { stroke: ink.line, width: 1 },
    font: '12px system-ui',
  };
  return {
    width: element.clientWidth || 300,
    height: HEIGHTS[size],
    padding: PADDING,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'timeline' }, points: { size: 7 } },
    scales: {
      x: { time: true, range: () => [current.current.grid.from / 1000, current.current.grid.to / 1000] },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, space: 110, size: 30, values: timeLabels },
      {
        ...axis,
        space: size === 'small' ? 26 : 34,
        size: (_plot, labels) => 26 + CHARACTER_PX * Math.max(4, ...(labels ?? []).map((label) => label.length)),
        ...(isWhole && { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }),
        values: (_plot, values) => values.map((value) => current.current.format(value)),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, color, isStepped }, i) => ({
        label,
        stroke: ink[color],
        width: 2,
        dash: DASHES[i % DASHES.length],
        points: { show: false, size: 5, fill: ink[color], filter: (plot, series) => lonePoints(plot.data[series]) },
        spanGaps: false,
        ...(isStepped && { paths: Plot.paths.stepped({ align: 1 }) }),
      })),
    ],
    hooks: {
      drawClear: [(plot) => drawEvents(plot, current.current.events, ink)],
      setCursor: [({ cursor }) => current.current.setCursor(cursor.idx ?? null)],
    },
  };
}

function timeLabels(plot, times) {
  const [from, to] = [plot.scales.x.min, plot.scales.x.max];
  return times.map((time) =>
    to - from > DAY_S ? dateTime(1000 * time).replace(/:\d\d( UTC)?$/, '') : clockTime(1000 * time),
  );
}

/** The points without a neighbour, which a line does not show. */
function lonePoints(values) {
  const lone = [];
  values.forEach((value, i) => {
    if (value != null && values[i - 1] == null && values[i + 1] == null) lone.push(i);
  });
  return lone;
}

function drawEvents(plot, events, ink) {
  const { ctx: pen, bbox } = plot;
  pen.save();
  pen.lineWidth = devicePixelRatio;
  for (const { at, kind } of events) {
    const x = Math.round(plot.valToPos(at / 1000, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    pen.strokeStyle = pen.fillStyle = ink[EVENT_INKS[kind] ?? 'muted'];
    pen.globalAlpha = 0.8;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, bbox.top);
    pen.lineTo(x, bbox.top + bbox.height);
    pen.stroke();
    pen.fillRect(x - 3 * devicePixelRatio, bbox.top - 6 * devicePixelRatio, 6 * devicePixelRatio, 6 * devicePixelRatio);
  }
  pen.restore();
}
