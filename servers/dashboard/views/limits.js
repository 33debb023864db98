// Limits: who asks most, and who is refused.
import { html } from '../ui/html.js';
import { count, percent, rate } from '../model/format.ts';
import { busiestKeys, limiterRows } from '../model/limit-rows.ts';
import { refusalColumns } from '../model/series.ts';
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

export function LimitsView() {
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
      <${Chart}
        title="Refusals"
        columns=${refusalColumns(session.history.marks, services)}
        lines=${serviceLines(services)}
        format=${rate}
      />
      <${DataTable}
        caption="Limiters"
        columns=${LIMITER_COLUMNS}
        rows=${limiters}
        keyOf=${({ instance }) => instance}
      />
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
