// Scaling: how many instances there are, why, and more or fewer of them by hand.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { instanceColumns } from '../model/series.ts';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useAnswer } from '../state/use-answer.js';
import { Chart } from '../ui/chart.js';
import { DataTable } from '../ui/data-table.js';
import { Answered } from '../ui/notice.js';
import { serviceLines } from '../ui/service-lines.js';

const REFRESH_MS = 3000;

export function ScalingView() {
  const answer = useAnswer('/api/v1/system/scaling-status', REFRESH_MS);
  useObservable(session.frame); // the chart goes on with every frame
  return html`
    <${Answered}
      what="The scaling"
      answer=${answer}
      show=${({ services }) => html`<${Scaling} services=${services} onScaled=${answer.reload} />`}
    />
  `;
}

function Scaling({ services, onScaled }) {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const [busy, setBusy] = useState(undefined);
  const rows = Object.entries(services).map(([service, status]) => ({ service, ...status }));
  const names = rows.map(({ service }) => service);

  const scale = async (service, direction) => {
    setBusy(service);
    setOutcome({ text: `Scaling ${service} ${direction}…` });
    try {
      const { instances } = await postJson(`/api/v1/system/scale/${service}/${direction}`);
      setOutcome({
        text: `${service} has ${instances.length} ${instances.length === 1 ? 'instance' : 'instances'} now.`,
      });
      onScaled();
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
    { title: 'Service', cell: ({ service }) => service },
    { title: 'Instances', isNumber: true, cell: ({ instances }) => instances },
    {
      title: 'Ready',
      isNumber: true,
      cell: ({ ready }) => ready,
      tone: ({ instances, ready }) => (ready < instances ? 'warn' : undefined),
    },
    {
      title: 'Fewer, more',
      cell: ({ service }) =>
        html`<span class="pair">${button(service, 'down', '−')}${button(service, 'up', '+')}</span>`,
    },
  ];
  return html`
    <section class="panel">
      <${Chart}
        title="Instances that are ready"
        columns=${instanceColumns(session.history.marks, names)}
        lines=${serviceLines(names)}
        isWhole=${true}
        format=${(value) => value.toFixed(0)}
      />
    </section>
    <section class="panel">
      <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
      ${!control && html`<p class="muted">Scaling needs the control token: press “Read-only” above.</p>`}
      <${DataTable} caption="Services" columns=${columns} rows=${rows} keyOf=${({ service }) => service} />
    </section>
  `;
}
