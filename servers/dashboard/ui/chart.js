// Charts over time with uPlot. The time axis covers the whole range, what was not measured is a gap, and a point without
// neighbours is a dot. All charts share one cursor. The library loads with the first chart.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';
import { dateTime } from '../model/format.ts';
import { latest, slotTimes } from '../model/timeline.ts';
import { theme } from '../state/theme.js';
import { useObservable } from '../state/observable.js';
import { chartOptions, DASHES, HEIGHTS } from './chart-options.js';

let loading;

/** Loads the library once for all charts. */
function loadPlot() {
  loading ??= import('uplot').then((module) => module.default);
  return loading;
}

/** Keys that move the cursor, by the number of slots. */
const MOVES = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };

/**
 * @param grid { from, to, resolution } of the history
 * @param lines [{ label, color, values, isStepped }]: `color` names an ink colour, `values` has one value per slot
 * @param events [{ at, kind, text, service }], drawn as vertical lines
 * @param format formats a value as text, with its unit
 * @param isWhole whether only whole numbers make sense
 * @param onSlot called with the epoch milliseconds of the chosen slot
 */
export function Chart({ title, grid, lines, events = [], format, onSlot, isWhole = false, size = 'normal' }) {
  const box = useRef(null);
  const plot = useRef(null);
  // The time that the keys have chosen, in epoch seconds. The plot's own cursor is lost when data arrives or lines change.
  const chosen = useRef(null);
  const [cursor, setCursor] = useState(null);
  const currentTheme = useObservable(theme);
  const shape = JSON.stringify([lines.map(({ label, color, isStepped }) => [label, color, isStepped]), size]);
  const current = useRef({});
  current.current = {
    grid,
    events,
    onSlot,
    format,
    setCursor,
    columns: [slotTimes(grid), ...lines.map((one) => one.values)],
  };

  useEffect(() => {
    const element = box.current;
    let isGone = false;
    let resizes;
    void loadPlot().then((Plot) => {
      if (isGone) return;
      const made = new Plot(
        chartOptions({ Plot, element, lines, current, isWhole, size }),
        current.current.columns,
        element,
      );
      plot.current = made;
      made.over.addEventListener('click', () => choose(timeAtCursor(made), current.current));
      // A browser also reports a move when the page moves under a mouse that rests.
      made.over.addEventListener('mousemove', ({ movementX, movementY }) => {
        if (movementX !== 0 || movementY !== 0) chosen.current = null;
      });
      queueMicrotask(() => showChosen(plot.current, chosen.current));
      resizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHTS[size] }));
      resizes.observe(element);
    });
    return () => {
      isGone = true;
      resizes?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, currentTheme]);

  const last = lines.map(({ values }) => values.at(-1)).join();
  useEffect(() => {
    plot.current?.setData(current.current.columns);
    // The plot applies its new scales in a microtask of its own.
    queueMicrotask(() => showChosen(plot.current, chosen.current));
  }, [grid.from, grid.to, grid.resolution, last, events.length]);

  const onKeyDown = (event) => {
    const made = plot.current;
    if (made === null) return;
    if (event.key === 'Enter') choose(chosen.current ?? timeAtCursor(made), current.current);
    else if (event.key in MOVES) {
      chosen.current = movedTime(made, chosen.current, MOVES[event.key]);
      showChosen(made, chosen.current);
    } else return;
    event.preventDefault();
  };
  return html`
    <figure class="chart">
      <figcaption>${title} <${Legend} lines=${lines} format=${format} slot=${cursor} /></figcaption>
      <div
        class=${onSlot ? 'plot clickable' : 'plot'}
        data-size=${size}
        ref=${box}
        role="img"
        tabindex="0"
        onKeyDown=${onKeyDown}
        onBlur=${() => (chosen.current = null)}
        aria-label=${spoken(title, lines, format)}
      ></div>
      <${CursorText} grid=${grid} slot=${cursor} events=${events} />
    </figure>
  `;
}

function choose(time, { onSlot }) {
  if (time !== null) onSlot?.(1000 * time);
}

function timeAtCursor(made) {
  return made.cursor.idx == null ? null : made.data[0][made.cursor.idx];
}

/** The time that is `slots` further than the chosen one, or than the mouse, or than the end. */
function movedTime(made, chosen, slots) {
  const times = made.data[0];
  const time = chosen ?? timeAtCursor(made);
  const from = time === null ? times.length : nearestSlot(times, time);
  return times[Math.min(Math.max(from + slots, 0), times.length - 1)];
}

/** The slot of a time. The range may have moved on since the time was chosen. */
function nearestSlot(times, time) {
  const found = times.findIndex((one) => one >= time);
  return found === -1 ? times.length - 1 : found;
}

function showChosen(made, time) {
  if (made !== null && time !== null) made.setCursor({ left: made.valToPos(time, 'x'), top: 10 });
}

/** The values at the cursor, or the latest ones, beside the names of the lines. */
function Legend({ lines, format, slot }) {
  return html`<span class="chart-legend">
    ${lines.map(({ label, color, values }, i) => {
      const value = slot === null ? latest(values) : values[slot];
      return html`<span key=${label}
        ><i class=${`swatch line-${i % DASHES.length}`} data-ink=${color}></i>${lines.length > 1 ? label : 'now'}
        <b>${value == null ? '–' : format(value)}</b></span
      >`;
    })}
  </span>`;
}

/** The time at the cursor, and the events near it. */
function CursorText({ grid, slot, events }) {
  if (slot === null) return html`<p class="cursor-text" aria-hidden="true"></p>`;
  const at = grid.from + slot * grid.resolution;
  const near = events.filter((event) => Math.abs(event.at - at - grid.resolution / 2) <= 1.5 * grid.resolution);
  const told = near.slice(0, 3).map(({ kind, service, text }) => `${kind}: ${service} ${text}`);
  return html`<p class="cursor-text" role="status">${[dateTime(at), ...told].join(' · ')}</p>`;
}

function spoken(title, lines, format) {
  const now = lines.map(({ label, values }) => {
    const value = latest(values);
    return `${label} ${value === null ? 'nothing' : format(value)}`;
  });
  return `${title}, now: ${now.join(', ')}`;
}

/** One small chart per line, for more lines than one chart can show. */
export function SmallMultiples({ title, lines, ...shared }) {
  return html`
    <section class="multiples" aria-label=${title}>
      <h2>${title}</h2>
      <div class="multiples-grid">
        ${lines.map((line) => html`<${Chart} key=${line.label} title=${line.label} lines=${[line]} size="small" ...${shared} />`)}
      </div>
    </section>
  `;
}
