// A list of names and values.
import { html } from './html.js';

/** @param facts [[name, value], …] */
export function Facts({ facts }) {
  return html`
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  `;
}
