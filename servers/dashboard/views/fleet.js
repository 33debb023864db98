// The fleet: who is there, who asks whom, and one instance close up.
import { html } from '../ui/html.js';
import { fleetMap } from '../model/fleet-map.ts';
import { bytes, duration, percent, rate } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { DataTable } from '../ui/data-table.js';
import { Loading } from '../ui/notice.js';
import { StateSign } from '../ui/state-sign.js';
import { FleetMapPicture } from './fleet-map.js';
import { InstancePanel } from './instance-panel.js';

/** Points behind the arrows: the last ten seconds. */
const RECENT = 5;

export function FleetView({ parts: [instanceId] }) {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the fleet" />`;
  const map = fleetMap(frame.instances, session.history.points.slice(-RECENT), frame.slotMs);
  return html`
    <section class="panel map-panel" aria-label="Map of the fleet">
      <${FleetMapPicture} map=${map} selected=${instanceId} />
      <p class="muted">
        Arrows: calls of the last ten seconds, as the caller measured them. An arrow that is not there is a call that
        was not made.
      </p>
    </section>
    ${instanceId !== undefined && html`<${InstancePanel} key=${instanceId} id=${instanceId} />`}
    <div class="columns wide-first">
      <section class="panel"><${InstanceTable} instances=${frame.instances} /></section>
      <section class="panel"><${CallTable} edges=${map.edges} /></section>
    </div>
  `;
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

function CallTable({ edges }) {
  if (edges.length === 0) {
    return html`<h2>Calls</h2>
      <p class="muted">
        No service asked another in the last ten seconds. Try
        <code>curl ${location.origin}/api/v1/training/overview</code>.
      </p>`;
  }
  return html`<${DataTable}
    caption="Calls"
    columns=${CALL_COLUMNS}
    rows=${[...edges].sort(byName)}
    keyOf=${({ from, to }) => `${from} ${to}`}
  />`;
}
