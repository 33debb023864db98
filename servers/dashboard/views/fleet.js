// The fleet: its instances, the calls between services, and the details of one instance.
import { useEffect, useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { callTotals } from '../model/calls.ts';
import { bytes, duration, percent, rate } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { serviceGroups, worstFirst } from '../model/service-group.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { DataTable } from '../ui/data-table.js';
import { Loading } from '../ui/notice.js';
import { StateSign } from '../ui/state-sign.js';
import { InstancePanel } from './instance-panel.js';

/** Number of points behind the arrows: the last ten seconds. */
const RECENT = 5;

export function FleetView({ parts: [instanceId] }) {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the fleet" />`;
  const { points } = session.history;
  const calls = callTotals(points.slice(-RECENT), frame.slotMs);
  return html`
    <section class="panel map-panel" aria-label="Map of the fleet">
      <${Map}
        groups=${serviceGroups(frame.instances)}
        calls=${calls}
        known=${callTotals(points, frame.slotMs)}
        selected=${instanceId}
      />
      <p class="muted">
        Arrows: calls of the last ten seconds, as the caller measured them. An arrow that is not there is a call that
        was not made.
      </p>
    </section>
    ${instanceId !== undefined && html`<${InstancePanel} key=${instanceId} id=${instanceId} />`}
    <div class="columns wide-first">
      <section class="panel"><${InstanceTable} instances=${worstFirst(frame.instances)} /></section>
      <section class="panel"><${CallTable} calls=${calls} /></section>
    </div>
  `;
}

/** The picture, which is loaded with the library that lays it out. */
function Map(properties) {
  const [module, setModule] = useState(undefined);
  useEffect(() => {
    let isGone = false;
    import('./fleet-map.js').then(
      (loaded) => !isGone && setModule(loaded),
      () => !isGone && setModule(null), // the tables contain the same data
    );
    return () => (isGone = true);
  }, []);
  if (module === null) return html`<p class="notice">The map could not be loaded. Reload the page to see it.</p>`;
  return module === undefined ? html`<${Loading} what="the map" />` : html`<${module.default} ...${properties} />`;
}

const INSTANCE_COLUMNS = [
  { title: 'Instance', cell: ({ id }) => html`<a href=${hrefOf('fleet', [id])}>${id}</a>` },
  {
    title: 'State',
    cell: (one) =>
      html`<${StateSign} instance=${one} />${one.reason && html`<span class="muted"> ${one.reason}</span>`}`,
  },
  { title: 'Requests', isNumber: true, cell: ({ figures }) => rate(figures?.rate) },
  { title: 'In flight', isNumber: true, cell: ({ figures }) => figures?.inFlight ?? '–' },
  {
    title: 'Errors',
    isNumber: true,
    cell: ({ figures }) => percent(figures?.errorRate),
    tone: ({ figures }) => (figures?.errorRate > 0 ? 'bad' : undefined),
  },
  { title: 'CPU', isNumber: true, cell: ({ figures }) => percent(figures?.cpu) },
  { title: 'Event loop', isNumber: true, cell: ({ figures }) => percent(figures?.loop) },
  { title: 'Memory', isNumber: true, cell: ({ figures }) => bytes(figures?.rss) },
  { title: 'Up', isNumber: true, cell: ({ figures }) => duration(figures?.uptime) },
  { title: 'Restarts', isNumber: true, cell: ({ restarts }) => restarts },
];

function InstanceTable({ instances }) {
  return html`<${DataTable}
    caption="Instances"
    columns=${INSTANCE_COLUMNS}
    rows=${instances}
    keyOf=${({ id }) => id}
  />`;
}

const byName = (a, b) => a.from.localeCompare(b.from) || a.to.localeCompare(b.to);

const CALL_COLUMNS = [
  { title: 'Call', cell: ({ from, to }) => html`${from} → ${to}` },
  { title: 'Rate', isNumber: true, cell: ({ rate: perSecond }) => rate(perSecond) },
  {
    title: 'Errors',
    isNumber: true,
    cell: ({ errorRate }) => percent(errorRate),
    tone: ({ errorRate }) => (errorRate > 0 ? 'bad' : undefined),
  },
  { title: 'p95', isNumber: true, cell: ({ p95 }) => duration(p95) },
];

function CallTable({ calls }) {
  if (calls.length === 0) {
    return html`<h2>Calls</h2>
      <p class="muted">
        No service asked another in the last ten seconds. Try
        <code>curl ${location.origin}/api/v1/training/overview</code>.
      </p>`;
  }
  return html`<${DataTable}
    caption="Calls"
    columns=${CALL_COLUMNS}
    rows=${[...calls].sort(byName)}
    keyOf=${({ from, to }) => `${from} ${to}`}
  />`;
}
