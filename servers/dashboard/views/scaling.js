// Scaling: the number of instances, the reasons, and manual scaling.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { clockTime } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { lineOf } from '../model/timeline.ts';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useEvents, useHistory } from '../state/timeline.js';
import { useAnswer } from '../state/use-answer.js';
import { SmallMultiples } from '../ui/chart.js';
import { useConfirm } from '../ui/confirm.js';
import { DataTable } from '../ui/data-table.js';
import { Answered, Empty } from '../ui/notice.js';
import { RangeBar } from '../ui/range-bar.js';
import { Ranged } from '../ui/ranged.js';
import { Decision } from './decision.js';

const REFRESH_MS = 3000;

/** The word and sign for each decision. */
const ACTIONS = { SCALE_UP: '▲ more', SCALE_DOWN: '▼ fewer', HOLD: '= hold' };

export function ScalingView({ parts: [service] }) {
  const status = useAnswer('/api/v1/system/scaling-status', REFRESH_MS);
  const history = useAnswer('/api/v1/system/scaling-history?limit=50', REFRESH_MS);
  const reload = () => {
    status.reload();
    history.reload();
  };
  return html`
    <${RangeBar} />
    <${Answered}
      what="The scaling"
      answer=${status}
      show=${({ automatic, intervalMs, services }) => html`
        <${Sizes} services=${services} automatic=${automatic} intervalMs=${intervalMs} onChanged=${reload} />
        ${service !== undefined && html`<${Decision} key=${service} service=${service} status=${services[service]} onChanged=${reload} />`}
      `}
    />
    <section class="panel">
      <${Answered}
        what="The history"
        answer=${history}
        show=${({ history: events }) => html`<${History} events=${events} />`}
      />
    </section>
  `;
}

function Sizes({ services, automatic, intervalMs, onChanged }) {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const [busy, setBusy] = useState(undefined);
  const rows = Object.entries(services).map(([service, status]) => ({ service, ...status }));
  const names = rows.map(({ service }) => service);

  const [ask, dialog] = useConfirm();

  const scale = async (service, direction) => {
    if (direction === 'down' && !(await ask(scaleDownQuestion(service, services[service].instances)))) return;
    setBusy(service);
    setOutcome({ text: `Scaling ${service} ${direction}…` });
    try {
      const { instances } = await postJson(`/api/v1/system/scale/${encodeURIComponent(service)}/${direction}`);
      setOutcome({
        text: `${service} has ${instances.length} ${instances.length === 1 ? 'instance' : 'instances'} now.`,
      });
      onChanged();
    } catch (error) {
      setOutcome({ text: `${service} was not scaled ${direction}: ${error.message}`, isBad: true });
    }
    setBusy(undefined);
  };
  const button = (service, direction, sign) => html`
    <button
      type="button"
      disabled=${!control || busy !== undefined}
      aria-label=${`Scale ${service} ${direction}`}
      onClick=${() => scale(service, direction)}
    >
      ${sign}
    </button>
  `;
  const columns = [
    { title: 'Service', cell: ({ service }) => html`<a href=${hrefOf('scaling', [service])}>${service}</a>` },
    { title: 'Instances', isNumber: true, cell: ({ instances }) => instances },
    {
      title: 'Ready',
      isNumber: true,
      cell: ({ ready }) => ready,
      tone: ({ instances, ready }) => (ready < instances ? 'warn' : undefined),
    },
    { title: 'Within', isNumber: true, cell: ({ min, max }) => `${min ?? 1} – ${max ?? 'any'}` },
    {
      title: 'Fewer, more',
      cell: ({ service }) =>
        html`<span class="pair">${button(service, 'down', '−')}${button(service, 'up', '+')}</span>`,
    },
    { title: 'Last decision', cell: ({ lastDecision }) => (lastDecision ? ACTIONS[lastDecision.action] : '–') },
    {
      title: 'Because',
      cell: ({ lastDecision }) => html`<span class="wrap">${lastDecision?.reason ?? 'none was made yet'}</span>`,
    },
  ];
  return html`
    <section class="panel"><${SizesOverTime} names=${names} /></section>
    <section class="panel">
      <p class="muted">
        ${automatic ? `The fleet sizes itself, looking every ${intervalMs / 1000} s.` : 'The fleet does not size itself: SCALING_INTERVAL_MS is 0.'}
        ${control ? '' : ' Scaling by hand needs the control token: press “Read-only” above.'}
      </p>
      <${DataTable} caption="Services" columns=${columns} rows=${rows} keyOf=${({ service }) => service} />
      <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
      ${dialog}
    </section>
  `;
}

/** Ready instances over time, as the orchestrator recorded them. */
function SizesOverTime({ names }) {
  const answer = useHistory({ service: 'orchestrator' });
  const events = useEvents();
  return html`<${Ranged}
    answer=${answer}
    show=${({ grid, services }) => html`
      <${SmallMultiples}
        title="Ready instances"
        grid=${grid}
        events=${events}
        isWhole=${true}
        format=${(value) => value.toFixed(0)}
        lines=${names.map((name) => ({
          label: name,
          color: 'accent',
          isStepped: true,
          values: lineOf(grid, services.orchestrator?.points ?? [], ({ levels }) => levels.fleet?.[name]?.ready),
        }))}
      />
    `}
  />`;
}

function scaleDownQuestion(service, instances) {
  return {
    title: `Scale ${service} down?`,
    text: `${service} has ${instances} ${instances === 1 ? 'instance' : 'instances'}. The newest one finishes its requests and stops.`,
    action: 'Scale down',
  };
}

const EVENT_COLUMNS = [
  { title: 'What', cell: ({ event }) => event.toLowerCase().replaceAll('_', ' ') },
  { title: 'At', cell: ({ at }) => clockTime(at) },
  { title: 'Service', cell: ({ service }) => service },
  {
    title: 'Instances',
    isNumber: true,
    cell: ({ from, to }) => (from === null || to === null ? '–' : `${from} → ${to}`),
  },
  { title: 'Which', cell: ({ instances }) => instances.join(', ') || '–' },
  {
    title: 'Outcome',
    cell: ({ outcome, error }) => `${outcome}${error ? `: ${error}` : ''}`,
    tone: ({ error }) => (error ? 'bad' : undefined),
  },
  { title: 'Because', cell: ({ reason }) => html`<span class="wrap">${reason ?? '–'}</span>` },
];

function History({ events }) {
  if (events.length === 0)
    return html`<${Empty} title="Nothing was scaled yet."
      >What is done to the instances, by hand or by the fleet itself, is listed here.<//
    >`;
  return html`<${DataTable}
    caption="History, the latest first"
    columns=${EVENT_COLUMNS}
    rows=${events}
    keyOf=${({ at, service, event, instances }) => `${at} ${service} ${event} ${instances}`}
  />`;
}
