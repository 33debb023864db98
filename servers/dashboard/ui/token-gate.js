// Shown instead of the views if the page requires a token.
import { html } from './html.js';
import { TokenForm } from './token-form.js';

export function TokenGate() {
  return html`
    <section class="gate panel">
      <h2>This control room asks for a token</h2>
      <p>
        Open the link that the orchestrator printed at start, or enter <code>DASHBOARD_TOKEN</code> (to look) or
        <code>CONTROL_TOKEN</code> (to act). Without <code>CONTROL_TOKEN</code> in the environment, the token is in
        <code>control-token</code> of the data folder.
      </p>
      <${TokenForm} />
    </section>
  `;
}
