// Pins a trace in this browser, or unpins it.
import { useState } from 'preact/hooks';
import { pin, pins, unpin } from '../state/pins.js';
import { useObservable } from '../state/observable.js';
import { html } from './html.js';

export function PinButton({ trace }) {
  const [said, setSaid] = useState('');
  const isPinned = useObservable(pins).some(({ traceId }) => traceId === trace.traceId);
  const toggle = () => {
    try {
      if (isPinned) unpin(trace.traceId);
      else pin(trace);
      setSaid('');
    } catch {
      setSaid('This browser has no room for it');
    }
  };
  return html`
    <button type="button" class="quiet" aria-pressed=${isPinned} onClick=${toggle}>
      ${isPinned ? 'Pinned' : 'Pin'}
    </button>
    <span role="status" class="muted">${said}</span>
  `;
}
