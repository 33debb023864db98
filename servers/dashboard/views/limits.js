// Limits: the busiest keys, the rejected and the waiting requests, and the limits on requests in flight.
import { html } from '../ui/html.js';
import { clockTime, count, percent, rate } from '../model/format.ts';
import { slotName } from '../model/history.ts';
import { busiestKeys, concurrencyRows, limiterRows, rejectionRows } from '../model/limit-rows.ts';
import { hrefOf } from '../model/location.ts';
import { lineOf } from '../model/timeline.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useEvents, useHistory } from '../state/timeline.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { Empty, Loading } from '../ui/notice.js';
import { RangeBar } from '../ui/range-bar.js';
import { Ranged } from '../ui/ranged.js';
import { colorOf } from '../ui/service-lines.js';

const LIMITER_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Requests', isNumber: true, cell: ({ totalRequests }) => count(totalRequests) },
  { title: 'Allowed', isNumber: true, cell: ({ allowedRequests }) => count(allowedRequests) },
  {
    title: 'Rejected (429)',
    isNumber: true,
    cell: ({ deniedRequests }) => count(deniedRequests),
    tone: ({ deniedRequests }) => (deniedRequests > 0 ? 'warn' : undefined),
  },
  {
    title: 'Rejected in flight (503)',
    isNumber: true,
    cell: ({ rejectedInFlight }) => count(rejectedInFlight),
    tone: ({ rejectedInFlight }) => (rejectedInFlight > 0 ? 'warn' : undefined),
  },
  { title: 'Allowed share', isNumber: true, cell: ({ allowRate }) => percent(allowRate) },
  { title: 'Waiting', isNumber: true, cell: ({ waitingRequests }) => count(waitingRequests) },
  { title: 'Buckets', isNumber: true, cell: ({ buckets }) => count(buckets) },
  {
    title: 'Store',
    cell: ({ isStoreAvailable }) => (isStoreAvailable ? 'available' : '✕ unavailable: limits are local'),
    tone: ({ isStoreAvailable }) => (isStoreAvailable ? undefined : 'bad'),
  },
];

const KEY_COLUMNS = [
  { title: 'Client', cell: ({ key }) => html`<code>${key}</code>` },
  { title: 'At', cell: ({ instance }) => instance },
  { title: 'Requests', isNumber: true, cell: ({ requests, error }) => `${error > 0 ? '≤ ' : ''}${count(requests)}` },
  {
    title: 'Rejected',
    isNumber: true,
    cell: ({ denied }) => count(denied),
    tone: ({ denied }) => (denied > 0 ? 'warn' : undefined),
  },
];

const REJECTION_COLUMNS = [
  { title: 'Client', cell: ({ client }) => html`<code>${client}</code>` },
  {
    title: 'State',
    cell: ({ isCurrent }) => (isCurrent ? '⊘ rejected now' : 'over'),
    tone: ({ isCurrent }) => (isCurrent ? 'bad' : undefined),
  },
  { title: 'Limit', cell: ({ limit }) => limit },
  { title: 'Request', cell: ({ operation }) => html`<code>${operation}</code>` },
  { title: 'Status', isNumber: true, cell: ({ status }) => status },
  { title: 'Rejected', isNumber: true, cell: (row) => count(row.count) },
  { title: 'Since', isNumber: true, cell: ({ since }) => clockTime(since) },
  { title: 'Last', isNumber: true, cell: ({ last }) => clockTime(last) },
  { title: 'Instance', cell: ({ instance }) => instance },
];

const SLOT_LINES = [
  { label: 'limit', color: 'violet', of: ({ limit }) => limit },
  { label: 'in flight', color: 'accent', of: ({ inFlight }) => inFlight },
  { label: 'waiting', color: 'warn', of: ({ waiting }) => waiting },
];

const SLOT_COLUMNS = [
  {
    title: 'For',
    cell: ({ service, key }) => {
      const name = slotName(service, key);
      return html`<a href=${hrefOf('limits', [], { slot: name })}>${name}</a>`;
    },
  },
  { title: 'At', cell: ({ instance }) => instance },
  { title: 'Limit', isNumber: true, cell: ({ limit }) => count(limit) },
  { title: 'In flight', isNumber: true, cell: ({ inFlight }) => count(inFlight) },
  {
    title: 'Waiting',
    isNumber: true,
    cell: ({ waiting }) => count(waiting),
    tone: ({ waiting }) => (waiting > 0 ? 'warn' : undefined),
  },
];

export function LimitsView({ query }) {
  const frame = useObservable(session.frame);
  if (frame === undefined) return html`<${Loading} what="the limits" />`;
  const limiters = limiterRows(frame.instances);
  if (limiters.length === 0) {
    return html`<section class="panel">
      <${Empty} title="No service limits its callers."
        >A server does with <code>limit</code>, or mounts <code>rateLimit</code>.<//
      >
    </section>`;
  }
  const services = [...new Set(limiters.map(({ service }) => service))];
  const keys = busiestKeys(frame.instances);
  return html`
    <${RangeBar} />
    <section class="panel"><${RejectedClients} rows=${rejectionRows(frame.instances, frame.at)} /></section>
    <section class="panel">
      <${LimitCharts} services=${services} />
      <${DataTable}
        caption="Limiters"
        columns=${LIMITER_COLUMNS}
        rows=${limiters}
        keyOf=${({ instance }) => instance}
      />
    </section>
    <section class="panel">
      <${InFlight} rows=${concurrencyRows(frame.instances)} chosen=${query.slot} />
    </section>
    <section class="panel">
      ${
        keys.length === 0
          ? html`<${Empty} title="Nobody has asked yet.">The busiest clients appear with the first requests.<//>`
          : html`<${DataTable}
              caption="Busiest clients"
              columns=${KEY_COLUMNS}
              rows=${keys}
              keyOf=${({ instance, key }) => `${instance} ${key}`}
            />`
      }
    </section>
  `;
}

/** Rejected and waiting requests of each service with a limit. */
function LimitCharts({ services }) {
  const answer = useHistory();
  const events = useEvents();
  const rejected = ({ rejected: byRate, rejectedInFlight }, seconds) => (byRate + rejectedInFlight) / seconds;
  return html`<${Ranged}
    answer=${answer}
    show=${({ grid, services: told }) => {
      const lines = (of) =>
        services.map((label, i) => ({ label, color: colorOf(i), values: lineOf(grid, told[label]?.points ?? [], of) }));
      return html`
        <div class="columns">
          <${Chart}
            title="Rejected requests per second"
            grid=${grid}
            events=${events}
            lines=${lines(rejected)}
            format=${rate}
          />
          <${Chart}
            title="Waiting requests"
            grid=${grid}
            events=${events}
            lines=${lines(({ levels }) => levels.waiting)}
            isWhole=${true}
            format=${count}
          />
        </div>
      `;
    }}
  />`;
}

/** Clients that were rejected during the last fifteen minutes. */
function RejectedClients({ rows }) {
  if (rows.length === 0) {
    return html`<h2>Rejected clients</h2>
      <p class="muted">No limit rejected a request during the last fifteen minutes.</p>`;
  }
  return html`<${DataTable}
    caption="Rejected clients"
    columns=${REJECTION_COLUMNS}
    rows=${rows}
    isTall=${true}
    keyOf=${({ instance, client, limit, operation }) => `${instance} ${client} ${limit} ${operation}`}
  />`;
}

/** Shows the chart of the chosen limit, or of the first one. */
function InFlight({ rows, chosen }) {
  if (rows.length === 0) {
    return html`<${Empty} title="No service limits what is in flight.">
      The web server does with <code>MAX_IN_FLIGHT=adaptive</code>; a server of your own with the option
      <code>concurrency</code> of <code>rateLimit</code>.
    <//>`;
  }
  const { service, key } = rows.find((row) => slotName(row.service, row.key) === chosen) ?? rows[0];
  return html`
    <${SlotChart} service=${service} slot=${key} />
    <${DataTable}
      caption="Limits on requests in flight"
      columns=${SLOT_COLUMNS}
      rows=${rows}
      keyOf=${({ instance, key }) => `${instance} ${key}`}
    />
  `;
}

/** A limit on requests in flight over time. */
function SlotChart({ service, slot }) {
  const answer = useHistory({ service });
  const events = useEvents();
  return html`<${Ranged}
    answer=${answer}
    show=${({ grid, services }) => html`
      <${Chart}
        title=${`In flight, ${slotName(service, slot)}`}
        grid=${grid}
        events=${events}
        isWhole=${true}
        format=${count}
        lines=${SLOT_LINES.map(({ of, ...line }) => ({
          ...line,
          isStepped: true,
          values: lineOf(grid, services[service]?.points ?? [], ({ levels }) => {
            const levelsOfSlot = levels.slots[slot];
            return levelsOfSlot && of(levelsOfSlot);
          }),
        }))}
      />
    `}
  />`;
}
