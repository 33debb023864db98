// A bar a row, as SVG that reads in light and dark.

const WIDTH = 720;
const ROW = 28;
const LABEL = 240;
const VALUE = 110;

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const STYLE =
  'text{font:13px system-ui,sans-serif;fill:#1f2933}.bar{fill:#3b6fb6}.spread{stroke:#1f2933;stroke-width:1.5}' +
  '@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.bar{fill:#7aa7e0}.spread{stroke:#e4e7eb}}';

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
  const height = rows.length * ROW + 8;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">` +
    `<title>${escaped(title)}</title><style>${STYLE}</style>${bars.join('')}</svg>\n`
  );
}
