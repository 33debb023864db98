// Shown instead of content while it loads, if it is empty, or if it failed. It says what to do.
import { html } from './html.js';

export function Loading({ what }) {
  return html`<p class="notice" role="status">Loading ${what}…</p>`;
}

export function Empty({ title, children }) {
  return html`<div class="notice">
    <p><strong>${title}</strong></p>
    <p>${children}</p>
  </div>`;
}

export function Failed({ what, error, onRetry }) {
  return html`
    <div class="notice bad" role="alert">
      <p><strong>${what} could not be read:</strong> ${error.message}</p>
      ${onRetry && html`<button type="button" onClick=${onRetry}>Try again</button>`}
    </div>
  `;
}

/** Shows the loading state, the error or the content of an answer of `useAnswer`; `show` renders the data. */
export function Answered({ what, answer, show }) {
  if (answer.data !== undefined) return show(answer.data);
  if (answer.error !== undefined)
    return html`<${Failed} what=${what} error=${answer.error} onRetry=${answer.reload} />`;
  return html`<${Loading} what=${what} />`;
}

/** Lists the instances missing from the data shown. */
export function Silent({ ids }) {
  if (ids === undefined || ids.length === 0) return null;
  return html`<p class="muted">Without ${ids.join(', ')}, which did not answer.</p>`;
}
