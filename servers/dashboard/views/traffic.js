// Traffic: requests, errors and latency over time, for a service or one of its routes, and what changed meanwhile.
import { html } from '../ui/html.js';
import { count, duration, percent, rate } from '../model/format.ts';
import { heatGrid } from '../model/heatmap.ts';
import { hrefOf } from '../model/location.ts';
import { latencyLine, lineOf, statusLine } from '../model/timeline.ts';
import { goTo } from '../state/place.js';
import { session } from '../state/session.js';
import { useComparison, useEvents, useHistory } from '../state/timeline.js';
import { useObservable } from '../state/observable.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { EventList } from '../ui/event-list.js';
import { Heatmap } from '../ui/heatmap.js';
import { Empty, Loading } from '../ui/notice.js';
import { RangeBar } from '../ui/range-bar.js';
import { Ranged } from '../ui/ranged.js';
import { TraceLink } from '../ui/trace-link.js';

const NOTHING = { points: [], operations: {} };

export function TrafficView({ query }) {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the traffic" />`;
  const services = [...new Set(frame.instances.map(({ service }) => service))];
  const service = services.includes(query.service) ? query.service : 'web';
  return html`
    <${RangeBar} hasComparison=${true} />
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
    <${ServiceTraffic} service=${service} route=${query.route} />
  `;
}

function ServiceTraffic({ service, route }) {
  const selection = { service, operation: route };
  const answer = useHistory(selection);
  const comparison = useComparison(selection);
  const events = useEvents();
  return html`
    <${Ranged}
      answer=${answer}
      show=${({ grid, services }) => {
        const history = services[service] ?? NOTHING;
        return html`
          <${TrafficCharts}
            service=${service}
            route=${route}
            grid=${grid}
            history=${history}
            events=${events}
            comparison=${comparison}
          />
          <section class="panel">
            <${Routes} service=${service} grid=${grid} operations=${history.operations} />
          </section>
        `;
      }}
    />
    <section class="panel"><${EventList} events=${events} /></section>
  `;
}

function TrafficCharts({ service, route, grid, history, events, comparison }) {
  const { points } = history;
  /** Opens the traces of a service that began in a time window. */
  const openTraces = (window) => goTo(hrefOf('traces', [], { service, ...rounded(window) }));
  const openSlot = (at) => openTraces({ from: at - grid.resolution, to: at + grid.resolution });
  const before = earlierPoints(comparison, service);
  return html`
    <section class="panel">
      <h2>${route ?? `All requests of ${service}`}</h2>
      ${route !== undefined && html`<p><a href=${hrefOf('traffic', [], { service })}>All routes of ${service}</a></p>`}
      <div class="columns">
        <${Chart}
          title="Requests per second"
          grid=${grid}
          events=${events}
          lines=${[
            { label: 'successful', color: 'accent', values: statusLine(grid, points, ['2xx', '3xx']) },
            { label: '4xx', color: 'violet', values: statusLine(grid, points, ['4xx']) },
            { label: 'rejected (429)', color: 'warn', values: statusLine(grid, points, ['429']) },
            { label: 'failed (5xx, aborted)', color: 'bad', values: statusLine(grid, points, ['5xx', 'aborted']) },
            ...(before
              ? [
                  {
                    label: `all, ${comparison.label}`,
                    color: 'muted',
                    values: lineOf(grid, before, ({ traffic }, seconds) => traffic.count / seconds),
                  },
                ]
              : []),
          ]}
          format=${rate}
          onSlot=${openSlot}
        />
        <${Chart}
          title="Latency"
          grid=${grid}
          events=${events}
          lines=${[
            { label: 'p50', color: 'teal', values: latencyLine(grid, points, 'p50') },
            { label: 'p95', color: 'accent', values: latencyLine(grid, points, 'p95') },
            { label: 'p99', color: 'violet', values: latencyLine(grid, points, 'p99') },
            ...(before
              ? [{ label: `p95, ${comparison.label}`, color: 'muted', values: latencyLine(grid, before, 'p95') }]
              : []),
          ]}
          format=${duration}
          onSlot=${openSlot}
        />
      </div>
      <${Heatmap} title="Latency, requests by shade" grid=${heatGrid(grid, points)} onCell=${openTraces} />
      <p class="muted">Click a point or a cell, or press Enter on it, for the traces behind it.</p>
    </section>
  `;
}

/** The points of the comparison, moved to the shown range. */
function earlierPoints(comparison, service) {
  const points = comparison?.data?.services[service]?.points;
  return points?.map((point) => ({ ...point, at: point.at + comparison.shift }));
}

function rounded({ from, to, minDuration }) {
  return { from: Math.floor(from), to: Math.ceil(to), minDuration: minDuration && Number(minDuration.toPrecision(3)) };
}

function Routes({ service, grid, operations }) {
  const rows = Object.entries(operations).map(([route, figures]) => ({ route, ...figures }));
  if (rows.length === 0) {
    return html`<${Empty} title="${service} served nothing in this time range.">
      Probes, scrapes and the page's own requests are not counted. Try
      <code>curl ${location.origin}/api/v1/training/overview</code>.
    <//>`;
  }
  const seconds = (grid.to - grid.from) / 1000;
  const columns = [
    { title: 'Route', cell: ({ route }) => html`<a href=${hrefOf('traffic', [], { service, route })}>${route}</a>` },
    { title: 'Requests', isNumber: true, cell: (one) => count(one.count) },
    { title: 'Rate', isNumber: true, cell: (one) => rate(one.count / seconds) },
    {
      title: 'Failed (5xx, aborted)',
      isNumber: true,
      cell: ({ errors, count: all }) => percent(errors / all),
      tone: ({ errors }) => (errors > 0 ? 'bad' : undefined),
    },
    {
      title: 'Rejected (429)',
      isNumber: true,
      cell: ({ statuses }) => count(statuses['429'] ?? 0),
      tone: ({ statuses }) => (statuses['429'] > 0 ? 'warn' : undefined),
    },
    { title: '4xx', isNumber: true, cell: ({ statuses }) => count(statuses['4xx'] ?? 0) },
    { title: 'p50', isNumber: true, cell: ({ p50 }) => duration(p50) },
    { title: 'p95', isNumber: true, cell: ({ p95 }) => duration(p95) },
    { title: 'Slowest', isNumber: true, cell: ({ slowest }) => duration(slowest) },
    {
      title: 'Slowest kept',
      isNumber: true,
      cell: ({ example }) =>
        example && html`<${TraceLink} traceId=${example.traceId}>${duration(example.duration)}<//>`,
    },
  ];
  return html`<${DataTable}
    caption=${`Routes of ${service}`}
    columns=${columns}
    rows=${rows.sort((a, b) => b.count - a.count)}
    keyOf=${({ route }) => route}
  />`;
}
