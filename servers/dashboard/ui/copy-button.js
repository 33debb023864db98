// Copies text and confirms it.
import { useState } from 'preact/hooks';
import { html } from './html.js';

const SAID_MS = 2000;

/** @param text () => string, called when the button is pressed */
export function CopyButton({ label, text }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setSaid('Copied');
    } catch {
      prompt(label, text()); // no clipboard without TLS: the user copies by hand
    }
    setTimeout(() => setSaid(''), SAID_MS);
  };
  return html`<button type="button" class="quiet" onClick=${copy}>${label}</button
    ><span role="status" class="muted">${said}</span>`;
}
