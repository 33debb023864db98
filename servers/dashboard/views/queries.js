// Queries: total time per statement, slow and repeated queries, plans and advice.
import { html } from '../ui/html.js';
import { clockTime, count, duration, percent } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { repeatedRows, slowRows, statementRows } from '../model/query-rows.ts';
import { useAnswer } from '../state/use-answer.js';
import { DataTable, ShareBar } from '../ui/data-table.js';
import { Answered, Empty, Silent } from '../ui/notice.js';
import { PlanText } from '../ui/plan-text.js';
import { TraceLink } from '../ui/trace-link.js';
import { Advice } from './advice.js';

const REFRESH_MS = 5000;
/** Maximum number of rows in a table. The most important rows come first. */
const MOST_SHOWN = 100;

const traceLink = (traceId) => html`<${TraceLink} traceId=${traceId}>trace<//>`;

const SLOW_COLUMNS = [
  {
    title: 'Statement',
    cell: ({ fingerprint, plan }) => html`<code>${fingerprint}</code><${PlanText} plan=${plan} />`,
  },
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'At', isNumber: true, by: ({ at }) => at, cell: ({ at }) => clockTime(at) },
  { title: 'Took', isNumber: true, by: (row) => row.duration, cell: (row) => duration(row.duration) },
  { title: 'Route', cell: ({ route }) => route ?? '–' },
  { title: 'Trace', cell: ({ traceId }) => traceLink(traceId) },
];

const REPEATED_COLUMNS = [
  { title: 'Statement', cell: ({ fingerprint }) => html`<code>${fingerprint}</code>` },
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'In one request', isNumber: true, by: (row) => row.count, cell: (row) => count(row.count) },
  { title: 'Route', cell: ({ route }) => route ?? '–' },
  { title: 'Sent from', cell: ({ location }) => location ?? '–' },
  { title: 'Trace', cell: ({ traceId }) => traceLink(traceId) },
];

export function QueriesView({ query }) {
  const answer = useAnswer('/api/v1/dashboard/queries', REFRESH_MS);
  return html`
    <${Answered}
      what="The queries"
      answer=${answer}
      show=${({ services, silent }) => html`<${Queries} services=${services} silent=${silent} only=${query.service} advised=${query} />`}
    />
  `;
}

function Queries({ services, silent, only, advised }) {
  const chosen = services.filter(({ service }) => only === undefined || service === only);
  const statements = statementRows(chosen);
  const slow = slowRows(chosen).slice(0, MOST_SHOWN);
  const repeated = repeatedRows(chosen).slice(0, MOST_SHOWN);
  const names = [...new Set(services.map(({ service }) => service))];
  return html`
    <nav class="choices" aria-label="Services">
      <a href=${hrefOf('queries')} aria-current=${only === undefined ? 'true' : undefined}>all</a>
      ${names.map((name) => html`<a key=${name} href=${hrefOf('queries', [], { service: name })} aria-current=${name === only ? 'true' : undefined}>${name}</a>`)}
    </nav>
    <${Silent} ids=${silent} />
    ${advised.instance && html`<${Advice} key=${`${advised.instance} ${advised.statement}`} instance=${advised.instance} statement=${advised.statement} back=${hrefOf('queries', [], { service: only })} />`}
    <section class="panel">
      ${
        statements.length === 0
          ? html`<${Empty} title="No statement has been sent yet."
              >They appear with the first requests that need the database.<//
            >`
          : html`<${DataTable}
              caption="Statements by total time"
              columns=${statementColumns(only)}
              rows=${statements}
              most=${MOST_SHOWN}
              keyOf=${rowKey}
            />`
      }
    </section>
    <div class="columns">
      <section class="panel">
        ${
          slow.length === 0
            ? html`<h2>Slow statements</h2>
                <p class="muted">None took longer than the threshold.</p>`
            : html`<${DataTable}
                caption="Slow statements"
                columns=${SLOW_COLUMNS}
                rows=${slow}
                keyOf=${(row) => `${rowKey(row)} ${row.at}`}
              />`
        }
      </section>
      <section class="panel">
        ${
          repeated.length === 0
            ? html`<h2>Sent again and again (N+1)</h2>
                <p class="muted">No request sent one statement many times.</p>`
            : html`<${DataTable}
                caption="Sent again and again (N+1)"
                columns=${REPEATED_COLUMNS}
                rows=${repeated}
                keyOf=${rowKey}
              />`
        }
      </section>
    </div>
  `;
}

const rowKey = ({ instance, fingerprint }) => `${instance} ${fingerprint}`;

function statementColumns(only) {
  const adviceOf = ({ instance, fingerprint }) =>
    hrefOf('queries', [], { service: only, instance, statement: fingerprint });
  return [
    { title: 'Statement', cell: (row) => html`<a href=${adviceOf(row)}><code>${row.fingerprint}</code></a>` },
    { title: 'Instance', cell: ({ instance }) => instance },
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
    { title: 'Rows', isNumber: true, by: ({ rows }) => rows, cell: ({ rows }) => count(rows) },
  ];
}
