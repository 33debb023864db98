// Charts as SVG that reads in light and dark: a bar a row, or a line a row over sizes.

const WIDTH = 720;
const ROW = 28;
const LABEL = 240;
const VALUE = 110;

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const STYLE =
  'text{font:13px system-ui,sans-serif;fill:#1f2933}.bar{fill:#3b6fb6}.spread{stroke:#1f2933;stroke-width:1.5}' +
  '@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.bar{fill:#7aa7e0}.spread{stroke:#e4e7eb}}';

function svg(title, height, style, content) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">` +
    `<title>${escaped(title)}</title><style>${style}</style>${content}</svg>\n`
  );
}

/**
 * @param title what the chart shows, for those who do not see it
 * @param rows `{ name, rate }`: `rate` a spread; the bar is its median, the line goes from the least to the most
 */
export function barChart(title, rows) {
  const largest = Math.max(...rows.map(({ rate }) => rate.most));
  const scale = (value) => ((WIDTH - LABEL - VALUE) * value) / largest;
  const bars = rows.map(({ name, rate }, i) => {
    const top = i * ROW + 6;
    const middle = top + 8;
    return [
      `<text x="${LABEL - 10}" y="${top + 13}" text-anchor="end">${escaped(name)}</text>`,
      `<rect class="bar" x="${LABEL}" y="${top}" width="${scale(rate.median).toFixed(1)}" height="16" rx="2"/>`,
      `<line class="spread" x1="${LABEL + scale(rate.least)}" x2="${LABEL + scale(rate.most)}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${LABEL + scale(rate.most) + 8}" y="${top + 13}">${Math.round(rate.median).toLocaleString('en')}/s</text>`,
    ].join('');
  });
  return svg(title, rows.length * ROW + 8, STYLE, bars.join(''));
}

const PLOT = { left: 64, right: 540, top: 30, bottom: 330 };
const CURVES_HEIGHT = 380;
/** Pixels between the names of lines that end close together. */
const APART = 17;
const COLOURS = [
  ['#1f5fa8', '#7ab3f0'],
  ['#b4460f', '#f0a070'],
  ['#27753a', '#7fce92'],
  ['#8a2f8f', '#d99ade'],
  ['#7a6200', '#dcc25a'],
  ['#0f7280', '#6fcbd8'],
];

function curveStyle(lines) {
  const coloured = (at) =>
    lines
      .map((_, i) => {
        const colour = COLOURS[i % COLOURS.length][at];
        return `.c${i}{stroke:${colour}}text.c${i},circle.c${i}{fill:${colour};stroke:none}`;
      })
      .join('');
  return (
    'text{font:13px system-ui,sans-serif;fill:#1f2933}.grid{stroke:#d5dae0}.line{fill:none;stroke-width:2}' +
    `.range{stroke-width:1.5;opacity:.6}${coloured(0)}` +
    `@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.grid{stroke:#3b4550}${coloured(1)}}`
  );
}

/** Maps values to pixels, equal ratios to equal lengths. */
function logScale(least, most, from, to) {
  const [low, high] = [Math.log10(least), Math.log10(most)];
  return (value) => from + ((Math.log10(value) - low) / (high - low || 1)) * (to - from);
}

/** The powers of ten around the values. */
function decades(values) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

const figure = (value) => (value >= 1 ? value.toLocaleString('en') : String(Number(value.toPrecision(1))));

function grid(sizes, ticks, x, y, axes) {
  const across = ticks.map((tick) => {
    const at = y(tick).toFixed(1);
    return (
      `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}"/>` +
      `<text x="${PLOT.left - 8}" y="${Number(at) + 4}" text-anchor="end">${figure(tick)}</text>`
    );
  });
  const down = sizes.map(({ size, label }) => {
    const at = x(size).toFixed(1);
    return (
      `<line class="grid" x1="${at}" x2="${at}" y1="${PLOT.top}" y2="${PLOT.bottom}"/>` +
      `<text x="${at}" y="${PLOT.bottom + 18}" text-anchor="middle">${escaped(label)}</text>`
    );
  });
  const names =
    `<text x="${PLOT.left - 8}" y="${PLOT.top - 12}" text-anchor="end">${escaped(axes.y)}</text>` +
    `<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 40}" text-anchor="middle">${escaped(axes.x)}</text>`;
  return across.join('') + down.join('') + names;
}

/** Where the lines' names stand: at their ends, and no two on one another. */
function namePlaces(ends) {
  const places = [];
  let previous = -Infinity;
  for (const { i, at } of ends.map((at, i) => ({ i, at })).sort((a, b) => a.at - b.at)) {
    previous = places[i] = Math.max(at, previous + APART);
  }
  const over = previous - PLOT.bottom;
  return over > 0 ? places.map((at) => at - over) : places;
}

/**
 * Costs over sizes, both axes logarithmic.
 *
 * @param curves `{ x, y, sizes: [{ size, label }], lines: [{ name, points: [{ size, spread }] }] }`: what is across and what is
 *   up, and a line for each `name`, with the least and the most as a stroke at each point
 */
export function curveChart(title, { x: across, y: up, sizes, lines }) {
  const values = lines.flatMap(({ points }) => points.flatMap(({ spread }) => [spread.least, spread.most]));
  const ticks = decades(values);
  const x = logScale(sizes[0].size, sizes.at(-1).size, PLOT.left + 12, PLOT.right - 12);
  const y = logScale(ticks[0], ticks.at(-1), PLOT.bottom, PLOT.top);
  const places = namePlaces(lines.map(({ points }) => y(points.at(-1).spread.median)));
  const drawn = lines.map(({ name, points }, i) => {
    const dots = points.map(({ size, spread }) => ({
      at: [x(size).toFixed(1), y(spread.median).toFixed(1)],
      range: [y(spread.least).toFixed(1), y(spread.most).toFixed(1)],
    }));
    return [
      `<polyline class="line c${i}" points="${dots.map(({ at }) => at.join(',')).join(' ')}"/>`,
      ...dots.map(
        ({ at: [cx, cy], range: [from, to] }) =>
          `<line class="range c${i}" x1="${cx}" x2="${cx}" y1="${from}" y2="${to}"/><circle class="c${i}" cx="${cx}" cy="${cy}" r="3"/>`,
      ),
      `<text class="c${i}" x="${PLOT.right + 8}" y="${(places[i] + 4).toFixed(1)}">${escaped(name)}</text>`,
    ].join('');
  });
  const content = grid(sizes, ticks, x, y, { x: across, y: up }) + drawn.join('');
  return svg(title, CURVES_HEIGHT, curveStyle(lines), content);
}
