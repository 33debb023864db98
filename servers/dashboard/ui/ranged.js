// Shows the history of the time range, or why it cannot be shown.
import { html } from './html.js';
import { Failed, Loading, Silent } from './notice.js';

/** @param show renders { grid, services } of `useHistory` */
export function Ranged({ answer, show }) {
  if (answer.data !== undefined) return html`${show(answer.data)}<${Silent} ids=${answer.data.silent} />`;
  if (answer.error !== undefined)
    return html`<${Failed} what="The history" error=${answer.error} onRetry=${answer.reload} />`;
  return html`<${Loading} what="the history" />`;
}
