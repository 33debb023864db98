// What happened in the time range: scaling, restarts, deployments, purges and the like.
import { html } from './html.js';
import { dateTime } from '../model/format.ts';
import { DataTable } from './data-table.js';

const TONES = { crash: 'bad', circuit: 'bad', limit: 'warn', restart: 'warn' };

const COLUMNS = [
  { title: 'Event', cell: ({ kind }) => kind, tone: ({ kind }) => TONES[kind] },
  { title: 'At', cell: ({ at }) => dateTime(at) },
  { title: 'Service', cell: ({ service }) => service },
  { title: 'Instance', cell: ({ instance }) => instance || '–' },
  { title: 'What', cell: ({ text }) => html`<span class="wrap">${text}</span>` },
];

export function EventList({ events }) {
  if (events.length === 0)
    return html`<h2>Events</h2>
      <p class="muted">Nothing was changed in this time range.</p>`;
  return html`<${DataTable}
    caption="Events, the latest first"
    columns=${COLUMNS}
    rows=${events}
    isTall=${true}
    keyOf=${({ at, kind, service, instance, text }) => `${at} ${kind} ${service} ${instance} ${text}`}
  />`;
}
