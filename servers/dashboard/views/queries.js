// Queries: each statement once, those with advice first.
import { useState } from 'preact/hooks';
import { count, duration, percent } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { matchingStatements, statementRows, weightOf } from '../model/query-rows.ts';
import { goTo } from '../state/place.js';
import { useAnswer } from '../state/use-answer.js';
import { DataTable, ShareBar } from '../ui/data-table.js';
import { html } from '../ui/html.js';
import { Answered, Empty, Silent } from '../ui/notice.js';
import { PauseButton } from '../ui/pause-button.js';
import { TextFilter } from '../ui/text-filter.js';
import { Advice } from './advice.js';

const REFRESH_MS = 5000;
/** Maximum number of rows. The most important rows come first. */
const MOST_SHOWN = 100;

const TONES = { critical: 'bad', warning: 'warn', slow: 'warn' };

export function QueriesView({ query }) {
  const [isPaused, setIsPaused] = useState(false);
  const answer = useAnswer('/api/v1/dashboard/queries', REFRESH_MS, isPaused);
  return html`
    <${Answered}
      what="The queries"
      answer=${answer}
      show=${({ services, silent }) => html`
        <${Services} services=${services} query=${query} />
        <${Silent} ids=${silent} />
        <${Queries} services=${services} query=${query}>
          <${PauseButton} isPaused=${isPaused} onChange=${setIsPaused} />
        <//>
      `}
    />
  `;
}

/** The address of this view with the same filters; `changes` may open or close a statement. */
function viewOf({ service, text, control }, changes) {
  return hrefOf('queries', [], { service, text, control, ...changes });
}

function Services({ services, query }) {
  const names = [...new Set(services.map(({ service }) => service))];
  const link = (text, service) =>
    html`<a
      key=${text}
      href=${viewOf(query, { service })}
      aria-current=${service === query.service ? 'true' : undefined}
      >${text}</a
    >`;
  return html`<nav class="choices" aria-label="Services">
    ${link('all', undefined)} ${names.map((name) => link(name, name))}
  </nav>`;
}

/** @param children buttons beside the filter */
function Queries({ services, query, children }) {
  const { service, text = '', control, instance, statement } = query;
  const told = services.filter((one) => service === undefined || one.service === service);
  const all = statementRows(told, control !== undefined);
  const rows = matchingStatements(all, text);
  const opened = all.find((row) => row.fingerprint === statement && row.instances.includes(instance));
  return html`
    ${instance && html`<${Advice} key=${`${instance} ${statement}`} instance=${instance} statement=${statement} row=${opened} back=${viewOf(query)} />`}
    <section class="panel">
      <form class="search" onSubmit=${(event) => event.preventDefault()}>
        <${TextFilter} text=${text} onText=${(given) => goTo(viewOf(query, { text: given }), { replace: true })} />
        <label
          >Transactions and schema changes
          <select onChange=${({ currentTarget: { value } }) => goTo(viewOf(query, { control: value }))}>
            <option value="" selected=${control === undefined}>hidden</option>
            <option value="shown" selected=${control !== undefined}>shown</option>
          </select>
        </label>
        ${children}
      </form>
      <${Statements} rows=${rows} isFiltered=${text !== ''} query=${query} />
    </section>
  `;
}

function Statements({ rows, isFiltered, query }) {
  if (rows.length === 0 && isFiltered)
    return html`<${Empty} title="No statement matches."
      ><a href=${viewOf(query, { text: undefined })}>All statements</a><//
    >`;
  if (rows.length === 0)
    return html`<${Empty} title="No statement has been sent yet.">
      They appear with the first requests that need the database.
    <//>`;
  return html`<${DataTable}
    caption="Statements, those with advice first"
    columns=${statementColumns(query)}
    rows=${rows}
    most=${MOST_SHOWN}
    keyOf=${({ service, fingerprint }) => `${service} ${fingerprint}`}
  />`;
}

function statementColumns(query) {
  const adviceOf = ({ instances: [instance], fingerprint }) => viewOf(query, { instance, statement: fingerprint });
  return [
    { title: 'Statement', cell: (row) => html`<a href=${adviceOf(row)}><code>${row.fingerprint}</code></a>` },
    {
      title: 'Advice',
      cell: (row) => html`<span class="wrap">${adviceText(row)}</span>`,
      tone: (row) => TONES[weightOf(row)],
    },
    {
      title: 'Service',
      cell: ({ service, instances }) => `${service}${instances.length > 1 ? ` (${instances.length} instances)` : ''}`,
    },
    {
      title: 'Total',
      isNumber: true,
      by: ({ totalTime }) => totalTime,
      cell: ({ totalTime, share }) => html`<${ShareBar} share=${share} /> ${duration(totalTime)}`,
    },
    { title: 'Share', isNumber: true, cell: ({ share }) => percent(share) },
    { title: 'Calls', isNumber: true, by: ({ calls }) => calls, cell: ({ calls }) => count(calls) },
    {
      title: 'Failed',
      isNumber: true,
      by: ({ errors }) => errors,
      cell: ({ errors }) => count(errors),
      tone: ({ errors }) => (errors > 0 ? 'bad' : undefined),
    },
    { title: 'p95', isNumber: true, by: ({ p95 }) => p95, cell: ({ p95 }) => duration(p95) },
    { title: 'Slowest', isNumber: true, by: ({ maxTime }) => maxTime, cell: ({ maxTime }) => duration(maxTime) },
    { title: 'Rows', isNumber: true, by: (row) => row.rows, cell: (row) => count(row.rows) },
  ];
}

/** The gravest finding in full, and the number of the others. */
function adviceText({ suggestions, isAnalysed, slow, repeated }) {
  const grave = ({ severity }) => ['info', 'warning', 'critical'].indexOf(severity);
  const findings = [
    ...(repeated.length > 0 ? [`Sent ${count(repeated[0].count)} times in one request (N+1).`] : []),
    ...[...suggestions].sort((a, b) => grave(b) - grave(a)).map(({ message }) => message),
    ...(slow.length > 0 ? [`Slow: ${duration(slow[0].duration)}.`] : []),
  ];
  if (findings.length === 0) return isAnalysed ? '–' : 'not analysed yet';
  return `${findings[0]}${findings.length > 1 ? ` And ${findings.length - 1} more.` : ''}`;
}
