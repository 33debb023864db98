// A query plan as the database returned it, one line per step.
import { html } from './html.js';

export function PlanText({ plan }) {
  if (plan === undefined) return null;
  return html`
    <h4>Plan</h4>
    <pre class="plan" tabindex="0" aria-label="Plan">${plan.join('\n')}</pre>
  `;
}
