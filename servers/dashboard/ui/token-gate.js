// In place of the views, where the page may not be seen without a token.
import { html } from './html.js';
import { TokenForm } from './token-form.js';

export function TokenGate() {
  return html`
    <section class="gate panel">
      <h2>This control room asks for a token</h2>
      <p>
        From another machine it shows itself only to who has <code>DASHBOARD_TOKEN</code> (to look) or
        <code>CONTROL_TOKEN</code> (to act). They are set in the environment of the fleet.
      </p>
      <${TokenForm} />
    </section>
  `;
}
