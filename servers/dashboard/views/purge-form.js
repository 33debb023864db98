// Manual purge: by tag or pattern, in every cache of the fleet.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { previewText, purgedText } from '../model/purge-text.ts';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { useConfirm } from '../ui/confirm.js';

export function PurgeForm() {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const [ask, dialog] = useConfirm();
  const purge = async (event) => {
    event.preventDefault();
    const { by, what } = Object.fromEntries(new FormData(event.currentTarget));
    const target = { [by]: what.trim() };
    try {
      const preview = await postJson('/api/v1/dashboard/purge/preview', target);
      const isAgreed = await ask({
        title: `Purge the ${by} “${what}”?`,
        text: previewText(preview),
        action: 'Purge everywhere',
      });
      if (!isAgreed) return setOutcome({ text: 'Nothing was purged.' });
      const { purged, silent } = await postJson('/api/v1/dashboard/purge', target);
      const { entries: left } = await postJson('/api/v1/dashboard/purge/preview', target);
      setOutcome({ text: purgedText({ by, what, purged, silent, left }) });
    } catch (error) {
      setOutcome({ text: error.message, isBad: true });
    }
  };
  return html`
    <h2>Purge</h2>
    <form class="search" onSubmit=${purge}>
      <label
        >By
        <select name="by">
          <option value="tag">tag</option>
          <option value="pattern">pattern</option>
        </select>
      </label>
      <label class="wide"
        >What
        <input
          name="what"
          required
          data-search
          placeholder="provider, /api/v1/reports/*, provider:*"
          spellcheck=${false}
      /></label>
      <button disabled=${!control}>Purge…</button>
    </form>
    ${!control && html`<p class="muted">Purging needs the control token: press “Read-only” above.</p>`}
    <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
    ${dialog}
  `;
}
