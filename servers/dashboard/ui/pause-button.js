// Stops a list from changing while it is read. The key `p` presses it.
import { html } from './html.js';

export function PauseButton({ isPaused, onChange }) {
  return html`<button type="button" data-pause onClick=${() => onChange(!isPaused)}>
    ${isPaused ? '▶ Continue the list' : '❚❚ Hold the list'}
  </button>`;
}
