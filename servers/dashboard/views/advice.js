// Details of one statement: its query plan, possible improvements, and the requests in which it was slow or repeated.
import { html } from '../ui/html.js';
import { clockTime, count, duration } from '../model/format.ts';
import { useAnswer } from '../state/use-answer.js';
import { DataTable } from '../ui/data-table.js';
import { Answered } from '../ui/notice.js';
import { PlanText } from '../ui/plan-text.js';
import { TraceLink } from '../ui/trace-link.js';

const traceLink = (traceId) => html`<${TraceLink} traceId=${traceId}>trace<//>`;

const SLOW_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'At', isNumber: true, by: ({ at }) => at, cell: ({ at }) => clockTime(at) },
  { title: 'Took', isNumber: true, by: (row) => row.duration, cell: (row) => duration(row.duration) },
  { title: 'Route', cell: ({ route }) => route ?? '–' },
  { title: 'Trace', cell: ({ traceId }) => traceLink(traceId) },
];

const REPEATED_COLUMNS = [
  { title: 'Instance', cell: ({ instance }) => instance },
  { title: 'In one request', isNumber: true, by: (row) => row.count, cell: (row) => count(row.count) },
  { title: 'Route', cell: ({ route }) => route ?? '–' },
  { title: 'Sent from', cell: ({ location }) => location ?? '–' },
  { title: 'Trace', cell: ({ traceId }) => traceLink(traceId) },
];

/** @param row its row of the table; undefined if the statement is not in the table now */
export function Advice({ instance, statement, row, back }) {
  const path = `/api/v1/dashboard/queries/advice?${new URLSearchParams({ instance, statement })}`;
  const answer = useAnswer(path);
  return html`
    <section class="panel detail" aria-labelledby="advice-title">
      <div class="panel-head">
        <h2 id="advice-title">Plan and advice</h2>
        <a class="button quiet" href=${back}>Close</a>
      </div>
      <pre class="plan" tabindex="0" aria-label="Statement">${statement}</pre>
      <${Answered}
        what="The plan"
        answer=${answer}
        show=${({ advice: { suggestions, plan } }) => html`
          <${PlanText} plan=${plan} />
          ${
            suggestions.length === 0
              ? html`<p class="good">✓ No improvement was found.</p>`
              : html`<ul class="advice">
                  ${suggestions.map(({ rule, message, severity }) => html`<li key=${rule + message}><strong class=${severity === 'info' ? undefined : 'warn'}>${severity}</strong> ${message} <span class="muted">(${rule})</span></li>`)}
                </ul>`
          }
        `}
      />
      <${Evidence}
        caption="Slow calls, the slowest first"
        columns=${SLOW_COLUMNS}
        rows=${row?.slow}
        keyOf=${(one) => `${one.instance} ${one.at} ${one.duration}`}
      />
      <${Evidence}
        caption="Requests that sent it again and again (N+1)"
        columns=${REPEATED_COLUMNS}
        rows=${row?.repeated}
        keyOf=${(one) => `${one.instance} ${one.route} ${one.traceId}`}
      />
    </section>
  `;
}

function Evidence({ rows = [], ...table }) {
  return rows.length === 0 ? null : html`<${DataTable} ...${table} rows=${rows} isTall=${true} />`;
}
