// Details of one span: its attributes, its events and, for a query, the plan.
import { html } from '../ui/html.js';
import { clockTime, count, duration, percent } from '../model/format.ts';
import { hrefOf } from '../model/location.ts';
import { termOf } from '../model/trace-terms.ts';
import { useAnswer } from '../state/use-answer.js';
import { CopyButton } from '../ui/copy-button.js';
import { Facts } from '../ui/facts.js';
import { Answered } from '../ui/notice.js';
import { PlanText } from '../ui/plan-text.js';

export function SpanDetail({ row, traceId }) {
  const { span, label, self, critical } = row;
  const statement = span.attributes['db.query.summary'];
  const facts = [
    ['Service', `${span.service} (${span.instance})`],
    ['Operation', span.operation],
    ['Took', duration(span.duration)],
    ['Itself', `${duration(self)}, the rest was in what it began`],
    ['On the critical path', critical > 0 ? duration(critical) : 'no'],
    ['Began', clockTime(span.startTime, true)],
    ['Span', span.spanId],
    ...(span.error === undefined ? [] : [['Error', span.error]]),
    ...Object.entries(span.attributes).map(([name, value]) => [name, attribute(name, value)]),
  ];
  return html`
    <section class="detail" aria-labelledby="span-title">
      <div class="panel-head">
        <h3 id="span-title">${label}</h3>
        <${CopyButton} label="Copy name" text=${() => label} />
        <a class="button quiet" href=${hrefOf('traces', [traceId])}>Close</a>
      </div>
      <${Facts} facts=${facts} />
      ${
        span.logs.length > 0 &&
        html`<ol class="log" tabindex="0" aria-label="What happened in it">
          ${span.logs.map((log, i) => html`<li key=${i}><span class="muted">${clockTime(log.timestamp, true)}</span> ${log.message}</li>`)}
        </ol>`
      }
      ${typeof statement === 'string' && html`<${QueryOfSpan} service=${span.service} instance=${span.instance} statement=${statement} />`}
    </section>
  `;
}

/** Links to other traces with the same attribute. */
function attribute(name, value) {
  const term = termOf(name, value);
  if (term === undefined) return String(value);
  return html`<a href=${hrefOf('traces', [], { q: term })} title="Traces with ${term}">${String(value)}</a>`;
}

function QueryOfSpan({ service, instance, statement }) {
  const answer = useAnswer('/api/v1/dashboard/queries');
  return html`
    <${Answered}
      what="The statement's figures"
      answer=${answer}
      show=${({ services }) => {
        const told = services.find((one) => one.instance === instance);
        const figures = told?.statements?.find(({ fingerprint }) => fingerprint === statement);
        const slow = told?.slow?.find(({ fingerprint }) => fingerprint === statement);
        return html`
          <h3>All calls of this statement</h3>
          ${
            figures
              ? html`<p>
                  ${count(figures.calls)} calls, ${percent(figures.calls === 0 ? 0 : figures.errors / figures.calls)}
                  failed, p95 ${duration(figures.p95)}, slowest ${duration(figures.maxTime)}, ${count(figures.rows)}
                  rows.
                  <a href=${hrefOf('queries', [], { service })}>Queries of ${service}</a>
                </p>`
              : html`<p class="muted">${service} has no figures of it any more.</p>`
          }
          <${PlanText} plan=${slow?.plan} />
        `;
      }}
    />
  `;
}
