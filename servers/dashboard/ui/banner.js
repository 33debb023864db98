// What is wrong with the picture itself, said above it.
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { clockTime } from '../model/format.ts';
import { html } from './html.js';

export function Banner() {
  const state = useObservable(session.connection);
  const frame = useObservable(session.frame);
  if (state === 'lost') {
    const since = frame === undefined ? '' : ` What you see is as it was at ${clockTime(frame.at)}.`;
    return html`<p class="banner bad">The web server cannot be reached. The page comes back by itself.${since}</p>`;
  }
  if (frame?.isOrchestrated === false) {
    return html`<p class="banner warn">
      No orchestrator answers: these are the instances the gateway routes to, and nothing can be scaled. Start the fleet
      with <code>npm run dev</code>.
    </p>`;
  }
  return null;
}
