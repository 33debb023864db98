// Limits: who asks most, who is refused, who waits, and how much is let in at a time.
import { html } from '../ui/html.js';
import { count, percent, rate } from '../model/format.ts';
import { slotName } from '../model/history.ts';
import { busiestKeys, concurrencyRows, limiterRows } from '../model/limit-rows.ts';
import { hrefOf } from '../model/location.ts';
import { refusalColumns, slotColumns, waitingColumns } from '../model/series.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { Empty, Loading } from '../ui/notice.js';
import { serviceLines } from '../ui/service-lines.js';

const LIMITER_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'Asked', isNumber: true, cell: ({ totalRequests }) => count(totalRequests) },
  { title: 'Allowed', isNumber: true, cell: ({ allowedRequests }) => count(allowedRequests) },
  {
    title: 'Refused',
    isNumber: true,
    cell: ({ deniedRequests }) => count(deniedRequests),
    tone: ({ deniedRequests }) => (deniedRequests > 0 ? 'warn' : undefined),
  },
  { title: 'Allowed share', isNumber: true, cell: ({ allowRate }) => percent(allowRate) },
  { title: 'Waiting', isNumber: true, cell: ({ waitingRequests }) => count(waitingRequests) },
  { title: 'Buckets', isNumber: true, cell: ({ buckets }) => count(buckets) },
  {
    title: 'Store',
    cell: ({ isStoreAvailable }) => (isStoreAvailable ? 'there' : '✕ away: limits are local'),
    tone: ({ isStoreAvailable }) => (isStoreAvailable ? undefined : 'bad'),
  },
];

const KEY_COLUMNS = [
  { title: 'Client', cell: ({ key }) => html`<code>${key}</code>` },
  { title: 'At', cell: ({ instance }) => instance },
  { title: 'Requests', isNumber: true, cell: ({ requests, error }) => `${error > 0 ? '≤ ' : ''}${count(requests)}` },
  {
    title: 'Refused',
    isNumber: true,
    cell: ({ denied }) => count(denied),
    tone: ({ denied }) => (denied > 0 ? 'warn' : undefined),
  },
];

const SLOT_LINES = [
  { label: 'limit', color: 'violet' },
  { label: 'in flight', color: 'accent' },
  { label: 'waiting', color: 'warn' },
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
    <section class="panel">
      <div class="columns">
        <${Chart}
          title="Refusals"
          columns=${refusalColumns(session.history.marks, services)}
          lines=${serviceLines(services)}
          format=${rate}
        />
        <${Chart}
          title="Waiting"
          columns=${waitingColumns(session.history.marks, services)}
          lines=${serviceLines(services)}
          isWhole=${true}
          format=${count}
        />
      </div>
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

/** The chart is of the one chosen, else of the first. */
function InFlight({ rows, chosen }) {
  if (rows.length === 0) {
    return html`<${Empty} title="No service limits what is in flight.">
      The web server does with <code>MAX_IN_FLIGHT=adaptive</code>; a server of your own with the option
      <code>concurrency</code> of <code>rateLimit</code>.
    <//>`;
  }
  const names = rows.map(({ service, key }) => slotName(service, key));
  const name = names.includes(chosen) ? chosen : names[0];
  return html`
    <${Chart}
      title=${`In flight, ${name}`}
      columns=${slotColumns(session.history.marks, name)}
      lines=${SLOT_LINES}
      isWhole=${true}
      format=${count}
    />
    <${DataTable}
      caption="Limits on requests in flight"
      columns=${SLOT_COLUMNS}
      rows=${rows}
      keyOf=${({ instance, key }) => `${instance} ${key}`}
    />
  `;
}
