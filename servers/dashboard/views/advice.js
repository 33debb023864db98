// Details of one statement: its query plan and possible improvements.
import { html } from '../ui/html.js';
import { useAnswer } from '../state/use-answer.js';
import { Answered } from '../ui/notice.js';
import { PlanText } from '../ui/plan-text.js';

export function Advice({ instance, statement, back }) {
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
              ? html`<p class="good">✓ Nothing to better was found.</p>`
              : html`<ul class="advice">
                  ${suggestions.map(({ rule, message, severity }) => html`<li key=${rule + message}><strong class=${severity === 'info' ? undefined : 'warn'}>${severity}</strong> ${message} <span class="muted">(${rule})</span></li>`)}
                </ul>`
          }
        `}
      />
    </section>
  `;
}
