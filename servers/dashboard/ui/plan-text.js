// A query's plan, a step a line, as the database gave it.
import { html } from './html.js';

export function PlanText({ plan }) {
  if (plan === undefined) return null;
  return html`
    <h4>Plan</h4>
    <pre class="plan" tabindex="0" aria-label="Plan">${plan.join('\n')}</pre>
  `;
}
