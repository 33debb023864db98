// Purging by hand: a tag or a pattern, in every cache of the fleet.
import { useState } from 'preact/hooks';
import { html } from '../ui/html.js';
import { postJson } from '../state/api.js';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';

export function PurgeForm() {
  const { control } = useObservable(session.access);
  const [outcome, setOutcome] = useState(undefined);
  const purge = async (event) => {
    event.preventDefault();
    const { by, what } = Object.fromEntries(new FormData(event.currentTarget));
    try {
      const { purged, silent } = await postJson('/api/v1/dashboard/purge', { [by]: what.trim() });
      setOutcome({ text: said(by, what, purged, silent) });
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
      <button disabled=${!control}>Purge everywhere</button>
    </form>
    ${!control && html`<p class="muted">Purging needs the control token: press “Read-only” above.</p>`}
    <p role="status" class=${outcome?.isBad ? 'bad' : 'muted'}>${outcome?.text}</p>
  `;
}

function said(by, what, purged, silent) {
  const where = `Purged the ${by} “${what}” in ${purged.map(({ instance }) => instance).join(', ') || 'no cache'}.`;
  const removed = purged.reduce((sum, one) => sum + (one.removed ?? 0), 0);
  const many = by === 'pattern' ? ` ${removed} entries were stored.` : '';
  return where + many + (silent.length > 0 ? ` ${silent.join(', ')} did not answer.` : '');
}
