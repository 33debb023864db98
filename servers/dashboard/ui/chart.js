// Lines over time with uPlot, loaded when the first chart is shown, and drawn anew when the theme changes.
import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';
import { clockTime } from '../model/format.ts';
import { theme } from '../state/theme.js';
import { useObservable } from '../state/observable.js';
import { inkColors } from './ink.js';

const HEIGHT = 190;

/** Dashes tell lines apart where colours do not. */
const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3]];

let loading;

/** One request for the library, whoever asks first. */
function loadPlot() {
  loading ??= import('uplot').then((module) => module.default);
  return loading;
}

/**
 * @param columns [times, ...lines], see model/series.ts
 * @param lines [{ label, color }]: names of the ink colours
 * @param format a value as it is read
 * @param isWhole whether only whole numbers make sense
 * @param onPoint called with the epoch seconds of the point that was clicked
 */
export function Chart({ title, columns, lines, format, onPoint, isWhole = false }) {
  const box = useRef(null);
  const plot = useRef(null);
  const currentTheme = useObservable(theme);
  const shape = lines.map(({ label }) => label).join('\n');
  const latest = useRef({});
  latest.current = { columns, onPoint, format };

  useEffect(() => {
    const element = box.current;
    let isGone = false;
    let resizes;
    void loadPlot().then((Plot) => {
      if (isGone) return;
      const made = new Plot(optionsOf(element, lines, latest, isWhole), latest.current.columns, element);
      plot.current = made;
      made.over.addEventListener('click', () => {
        const { idx } = made.cursor;
        const at = idx == null ? undefined : made.data[0][idx];
        if (at !== undefined) latest.current.onPoint?.(at);
      });
      resizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
      resizes.observe(element);
    });
    return () => {
      isGone = true;
      resizes?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, currentTheme]);

  useEffect(() => plot.current?.setData(columns), [columns]);

  return html`
    <figure class="chart">
      <figcaption>${title} <${Legend} lines=${lines} columns=${columns} format=${format} /></figcaption>
      <div
        class=${onPoint ? 'plot clickable' : 'plot'}
        ref=${box}
        role="img"
        aria-label=${spoken(title, lines, columns, format)}
      ></div>
    </figure>
  `;
}

/** The latest values beside the lines' names: what the chart says now, in words. */
function Legend({ lines, columns, format }) {
  return html`<span class="chart-legend">
    ${lines.map(({ label, color }, i) => {
      const value = columns[i + 1]?.at(-1);
      return html`<span key=${label}
        ><i class=${`swatch line-${i % DASHES.length}`} data-ink=${color}></i>${label}
        <b>${value == null ? '–' : format(value)}</b></span
      >`;
    })}
  </span>`;
}

function spoken(title, lines, columns, format) {
  const now = lines.map(({ label }, i) => {
    const value = columns[i + 1]?.at(-1);
    return `${label} ${value == null ? 'nothing' : format(value)}`;
  });
  return `${title}, now: ${now.join(', ')}`;
}

function optionsOf(element, lines, latest, isWhole) {
  const ink = inkColors();
  const axis = {
    stroke: ink.muted,
    grid: { stroke: ink.line, width: 1 },
    ticks: { stroke: ink.line, width: 1 },
    font: '12px system-ui',
  };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, space: 90, size: 36, values: (_plot, times) => times.map((time) => clockTime(1000 * time)) },
      {
        ...axis,
        size: 64,
        ...(isWhole && { incrs: [1, 2, 5, 10, 20, 50] }),
        values: (_plot, values) => values.map((value) => latest.current.format(value)),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, color }, i) => ({
        label,
        stroke: ink[color],
        width: 2,
        dash: DASHES[i % DASHES.length],
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}
