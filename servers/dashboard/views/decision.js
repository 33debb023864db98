// Why a service has as many instances as it has: every number behind the last decision.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { percent } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { scalingColumns } from '../model/series.ts';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { StateSign } from '../ui/state-sign.js';

const LINES = [
  { label: 'ready', color: 'accent' },
  { label: 'wanted', color: 'teal' },
  { label: 'load', color: 'violet' },
  { label: 'forecast', color: 'warn' },
];

const figure = (value) => (value === null ? '–' : Number(value.toPrecision(3)));

const METRIC_COLUMNS = [
  { title: 'Metric', cell: ({ metric }) => metric },
  { title: 'Measured', isNumber: true, cell: ({ value }) => figure(value) },
  { title: 'With missing ones', isNumber: true, cell: ({ adjusted }) => figure(adjusted) },
  { title: 'Target', isNumber: true, cell: ({ target }) => figure(target) },
  { title: 'Up above', isNumber: true, cell: ({ up }) => figure(up) },
  { title: 'Down below', isNumber: true, cell: ({ down }) => figure(down) },
  { title: 'Asks for', isNumber: true, cell: ({ desired }) => figure(desired) },
  { title: 'Note', cell: ({ note }) => note },
];

export function Decision({ service, status, onChanged }) {
  const frame = useObservable(session.frame);
  const instances = frame?.instances.filter((one) => one.service === service) ?? [];
  return html`
    <section class="panel detail" aria-labelledby="decision-title">
      <div class="panel-head">
        <h2 id="decision-title">${service}</h2>
        <a class="button quiet" href=${hrefOf('scaling')}>Close</a>
      </div>
      ${status === undefined ? html`<p class="notice">The orchestrator does not run ${service}.</p>` : html`<${Explained} decision=${status.lastDecision} />`}
      <${Chart}
        title="Instances and what they carry, in instances"
        columns=${scalingColumns(session.history.marks, service)}
        lines=${LINES}
        format=${(value) => value.toFixed(1)}
      />
      <${Instances} instances=${instances} onChanged=${onChanged} />
    </section>
  `;
}

function Explained({ decision }) {
  if (decision === null) return html`<p class="muted">No decision was made yet.</p>`;
  const { reason, current, desired, steps, forecast, unknown, panic } = decision;
  const path = Object.entries(steps).map(([step, count]) => `${step} ${count}`);
  return html`
    <p>
      ${reason}. There are ${current}, there should be
      ${desired}.${panic ? ' The load jumped: nothing is taken away for a while.' : ''}
    </p>
    <p class="muted">
      Step by step: ${path.join(' → ')}.
      ${unknown.length > 0 ? ` Nobody reports ${unknown.join(', ')}: nothing is taken away.` : ''}
      ${forecastText(forecast)}
    </p>
    <${DataTable}
      caption="What each metric asks for"
      columns=${METRIC_COLUMNS}
      rows=${decision.metrics}
      keyOf=${({ metric }) => metric}
    />
  `;
}

function forecastText(forecast) {
  if (forecast === null) return 'It is not forecast.';
  if (forecast.load === null) return 'There is too little history to forecast from.';
  const trust = forecast.trusted ? 'trusted' : 'not trusted: the last value has been as good';
  const error =
    forecast.error === null || !forecast.current
      ? ''
      : `, off by ${percent(forecast.error / forecast.current)} of the load of now`;
  return `Forecast: ${figure(forecast.load)} instances' worth (${trust}${error}).`;
}

/** Moving an instance: a new one takes over before the old one goes. */
function Instances({ instances, onChanged }) {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const migrate = async (instance) => {
    setOutcome({ text: `Moving ${instance.id}…` });
    try {
      const { added } = await postJson('/api/v1/system/migrate', { fromPort: instance.port });
      setOutcome({ text: `${added.map(({ id }) => id).join(', ')} took over from ${instance.id}.` });
      onChanged();
    } catch (error) {
      setOutcome({ text: `${instance.id} was not moved: ${error.message}`, isBad: true });
    }
  };
  const columns = [
    { title: 'Instance', cell: ({ id }) => html`<a href=${hrefOf('fleet', [id])}>${id}</a>` },
    { title: 'State', cell: (one) => html`<${StateSign} instance=${one} />` },
    { title: 'Port', isNumber: true, cell: ({ port }) => port },
    {
      title: 'Replace',
      cell: (one) =>
        html`<button
          type="button"
          disabled=${!control || one.state !== 'ready'}
          aria-label=${`Replace ${one.id}`}
          onClick=${() => migrate(one)}
        >
          Replace
        </button>`,
    },
  ];
  return html`
    <${DataTable} caption="Instances" columns=${columns} rows=${instances} keyOf=${({ id }) => id} />
    <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
  `;
}
