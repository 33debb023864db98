// Traffic: requests, errors and latency over time, of a service or one of its routes.
import { html } from '../ui/html.js';
import { count, duration, percent, rate } from '../model/format.ts';
import { heatGrid } from '../model/heatmap.ts';
import { hrefOf } from '../model/location.ts';
import { routeTotals } from '../model/route-totals.ts';
import { latencyColumns, rateColumns } from '../model/series.ts';
import { goTo } from '../state/place.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { Heatmap } from '../ui/heatmap.js';
import { Empty, Loading } from '../ui/notice.js';

/** Columns of the heatmap: as many as there are points, within these. */
const HEAT_COLUMNS = { least: 30, most: 180 };
const RATE_LINES = [
  { label: 'requests', color: 'accent' },
  { label: 'errors', color: 'bad' },
];
const LATENCY_LINES = [
  { label: 'p50', color: 'teal' },
  { label: 'p95', color: 'accent' },
  { label: 'p99', color: 'violet' },
];

export function TrafficView({ query }) {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the traffic" />`;
  const services = [...new Set(frame.instances.map(({ service }) => service))];
  const service = services.includes(query.service) ? query.service : 'web';
  return html`
    <nav class="choices" aria-label="Services">
      ${services.map(
        (name) =>
          html`<a
            key=${name}
            href=${hrefOf('traffic', [], { service: name })}
            aria-current=${name === service ? 'true' : undefined}
            >${name}</a
          >`,
      )}
    </nav>
    <${ServiceTraffic}
      service=${service}
      route=${query.route}
      slotMs=${frame.slotMs}
      points=${session.history.points}
    />
  `;
}

function ServiceTraffic({ service, route, slotMs, points }) {
  const totals = routeTotals(points, service);
  const seconds = (points.length * slotMs) / 1000;
  const heatColumns = Math.min(Math.max(points.length, HEAT_COLUMNS.least), HEAT_COLUMNS.most);
  /** The traces of a service that began around a time. */
  const openTraces = (window) => goTo(hrefOf('traces', [], { service, ...rounded(window) }));
  const openAround = (at) => openTraces({ from: 1000 * at - slotMs, to: 1000 * at + slotMs });
  return html`
    <section class="panel">
      <h2>${route ?? `All requests of ${service}`}</h2>
      ${route !== undefined && html`<p><a href=${hrefOf('traffic', [], { service })}>All routes of ${service}</a></p>`}
      <div class="columns">
        <${Chart}
          title="Requests"
          columns=${rateColumns(points, slotMs, service, route)}
          lines=${RATE_LINES}
          format=${rate}
          onPoint=${openAround}
        />
        <${Chart}
          title="Latency"
          columns=${latencyColumns(points, slotMs, service, route)}
          lines=${LATENCY_LINES}
          format=${duration}
          onPoint=${openAround}
        />
      </div>
      <${Heatmap}
        title="Latency, requests by shade"
        grid=${heatGrid(points, slotMs, heatColumns, service, route)}
        slotMs=${slotMs}
        onCell=${openTraces}
      />
      <p class="muted">Click a point or a cell for the traces behind it.</p>
    </section>
    <section class="panel">
      ${
        totals.length === 0
          ? html`<${Empty} title="${service} served nothing since this page was opened.">
              Probes, scrapes and the page's own questions are not counted. Try
              <code>curl ${location.origin}/api/v1/training/overview</code>.
            <//>`
          : html`<${RouteTable} service=${service} rows=${totals} seconds=${seconds} />`
      }
    </section>
  `;
}

function rounded({ from, to, minDuration }) {
  return { from: Math.floor(from), to: Math.ceil(to), minDuration: minDuration && Number(minDuration.toPrecision(3)) };
}

function RouteTable({ service, rows, seconds }) {
  const columns = [
    { title: 'Route', cell: ({ route }) => html`<a href=${hrefOf('traffic', [], { service, route })}>${route}</a>` },
    { title: 'Requests', isNumber: true, cell: (one) => count(one.count) },
    { title: 'Rate', isNumber: true, cell: (one) => rate(one.count / seconds) },
    {
      title: 'Errors',
      isNumber: true,
      cell: ({ errors, count: all }) => percent(errors / all),
      tone: ({ errors }) => (errors > 0 ? 'bad' : undefined),
    },
    { title: 'p95, last', isNumber: true, cell: ({ p95 }) => duration(p95) },
    {
      title: 'Slowest',
      isNumber: true,
      cell: ({ slowest }) =>
        slowest === undefined
          ? '–'
          : html`<a href=${hrefOf('traces', [slowest.traceId])}>${duration(slowest.duration)}</a>`,
    },
  ];
  return html`<${DataTable}
    caption=${`Routes of ${service} since ${count(seconds)} s`}
    columns=${columns}
    rows=${rows}
    keyOf=${({ route }) => route}
  />`;
}
