// Explains the size of a service, with every number behind the last scaling decision.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { percent } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { lineOf } from '../model/timeline.ts';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useEvents, useHistory } from '../state/timeline.js';
import { Chart } from '../ui/chart.js';
import { useConfirm } from '../ui/confirm.js';
import { DataTable } from '../ui/data-table.js';
import { Ranged } from '../ui/ranged.js';
import { StateSign } from '../ui/state-sign.js';

const LINES = [
  { label: 'ready', color: 'accent', isStepped: true, of: ({ ready }) => ready },
  { label: 'desired', color: 'teal', isStepped: true, of: ({ desired }) => desired },
  { label: 'load', color: 'violet', of: ({ load }) => load },
  { label: 'forecast', color: 'warn', of: ({ forecast }) => forecast },
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
      <${SizeOverTime} service=${service} />
      <${Instances} instances=${instances} onChanged=${onChanged} />
    </section>
  `;
}

/** The size of a service and its load, as the orchestrator recorded them. */
function SizeOverTime({ service }) {
  const answer = useHistory({ service: 'orchestrator' });
  const events = useEvents().filter((event) => event.service === service);
  return html`<${Ranged}
    answer=${answer}
    show=${({ grid, services }) => html`
      <${Chart}
        title="Instances, and the load in instances"
        grid=${grid}
        events=${events}
        format=${(value) => value.toFixed(1)}
        lines=${LINES.map(({ of, ...line }) => ({
          ...line,
          values: lineOf(grid, services.orchestrator?.points ?? [], ({ levels }) => {
            const size = levels.fleet?.[service];
            return size && of(size);
          }),
        }))}
      />
    `}
  />`;
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
  const soon =
    typeof forecast.soon === 'number'
      ? ` The load of ${figure(forecast.soon)} instances may come while an instance starts.`
      : '';
  if (forecast.load === null) return `There is too little history to forecast from.${soon}`;
  const trust = forecast.trusted ? 'trusted' : 'not trusted: the last value has been as good';
  const error =
    forecast.error === null || !forecast.current
      ? ''
      : `, off by ${percent(forecast.error / forecast.current)} of the load of now`;
  return `Forecast: ${figure(forecast.load)} instances' worth (${trust}${error}).${soon}`;
}

/** Replaces an instance: a new one starts before the old one stops. */
function Instances({ instances, onChanged }) {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const [ask, dialog] = useConfirm();
  const migrate = async (instance) => {
    const isAgreed = await ask({
      title: `Replace ${instance.id}?`,
      text: `A new instance of ${instance.service} starts. When it is ready, ${instance.id} finishes its requests and stops.`,
      action: 'Replace',
    });
    if (!isAgreed) return;
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
    ${dialog}
  `;
}
