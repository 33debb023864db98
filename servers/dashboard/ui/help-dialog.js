// The keyboard shortcuts, and how the page counts.
import { SHORTCUTS } from '../state/shortcuts.js';
import { html } from './html.js';

export function HelpDialog({ dialog }) {
  return html`
    <dialog ref=${dialog} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="keys">
        ${SHORTCUTS.map(
          ([key, meaning]) =>
            html`<div key=${key}>
              <dt><kbd>${key}</kbd></dt>
              <dd>${meaning}</dd>
            </div>`,
        )}
      </dl>
      <p class="muted">
        Figures are those of the last seconds, measured by each service itself while this page is open. Probes, scrapes
        and the page's own questions are left out.
      </p>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  `;
}
