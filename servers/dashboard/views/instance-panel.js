// Details of one instance: probes, resource use and latest log lines.
import { html } from '../ui/html.js';
import { bytes, clockTime, count, duration, percent, rate } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useAnswer } from '../state/use-answer.js';
import { Facts } from '../ui/facts.js';
import { LogLine } from '../ui/log-line.js';
import { Answered } from '../ui/notice.js';
import { DataTable } from '../ui/data-table.js';
import { StateSign } from '../ui/state-sign.js';
import { InstanceActions } from './instance-actions.js';

const REFRESH_MS = 4000;

export function InstancePanel({ id }) {
  const frame = useObservable(session.frame);
  const answer = useAnswer(`/api/v1/dashboard/instances/${encodeURIComponent(id)}`, REFRESH_MS);
  const instance = frame?.instances.find((one) => one.id === id);
  return html`
    <section class="panel detail" aria-labelledby="instance-title">
      <div class="panel-head">
        <h2 id="instance-title">${id} ${instance && html`<${StateSign} instance=${instance} />`}</h2>
        <a href=${hrefOf('fleet')} class="button quiet">Close</a>
      </div>
      ${instance === undefined && html`<p class="notice">${id} is not part of the fleet now.</p>`}
      ${instance && html`<${InstanceActions} service=${instance.service} />`}
      ${instance?.figures && html`<${InstanceFacts} instance=${instance} />`}
      <${Answered}
        what="The instance"
        answer=${answer}
        show=${({ health, log }) => html`<${Probes} health=${health} /><${Log} lines=${log} id=${id} />`}
      />
    </section>
  `;
}

function InstanceFacts({ instance: { host, port, pid, restarts, routing, figures } }) {
  const { pool } = figures.engines;
  const facts = [
    ['Address', `${host}:${port}`],
    ['Process', pid ?? '–'],
    ['Up', duration(figures.uptime)],
    ['Restarts', restarts],
    ['Requests', rate(figures.rate)],
    ['In flight', figures.inFlight],
    ['CPU', percent(figures.cpu)],
    ['Event loop busy', percent(figures.loop)],
    ['Memory', bytes(figures.rss)],
    ['Heap', bytes(figures.heapUsed)],
    ...(pool ? [['Connections', `${pool.activeCount} of ${pool.poolSize} in use, ${pool.waitingRequests} wait`]] : []),
    ...(routing
      ? [['From the gateway', `${count(routing.requests)} requests, ${count(routing.failures)} failed`]]
      : []),
    ...(routing ? [['Circuit', routing.circuit]] : []),
  ];
  return html`<${Facts} facts=${facts} />`;
}

const PROBE_COLUMNS = [
  { title: 'Probe', cell: ({ name }) => name },
  { title: 'Kind', cell: ({ componentType }) => componentType },
  {
    title: 'Status',
    cell: ({ status }) => status,
    tone: ({ status }) => ({ pass: 'good', warn: 'warn', fail: 'bad' })[status],
  },
  {
    title: 'Says',
    cell: ({ output, observedValue, observedUnit }) => output ?? `${observedValue ?? ''} ${observedUnit ?? ''}`,
  },
  { title: 'Took', isNumber: true, cell: ({ duration: took }) => duration(took) },
  { title: 'Asked at', isNumber: true, cell: ({ time }) => (time ? clockTime(Date.parse(time)) : '–') },
];

function Probes({ health }) {
  if (health === null) return html`<p class="notice bad">It does not answer its health check.</p>`;
  const rows = Object.entries(health.checks ?? {}).flatMap(([name, checks]) =>
    checks.map((check) => ({ name, ...check })),
  );
  if (rows.length === 0) return html`<p class="muted">Health: ${health.status}.</p>`;
  return html`<${DataTable}
    caption=${`Probes: ${health.status}`}
    columns=${PROBE_COLUMNS}
    rows=${rows}
    keyOf=${({ name }) => name}
  />`;
}

function Log({ lines, id }) {
  if (lines === null)
    return html`<p class="muted">No line of ${id} is stored: it has printed nothing, or does not answer.</p>`;
  return html`
    <h3>Log, the latest first</h3>
    <p><a href=${hrefOf('logs', [], { instance: id })}>Filter and follow its lines</a></p>
    <ol class="log" tabindex="0" aria-label=${`Last lines of ${id}`}>
      ${[...lines].reverse().map((line, i) => html`<${LogLine} key=${lines.length - i} line=${line} />`)}
    </ol>
  `;
}
