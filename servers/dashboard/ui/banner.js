// A message above the view if the data shown may be wrong or out of date.
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { clockTime } from '../model/format.ts';
import { html } from './html.js';

export function Banner() {
  const state = useObservable(session.connection);
  const frame = useObservable(session.frame);
  if (state === 'lost') {
    const since = frame === undefined ? '' : ` What you see is as it was at ${clockTime(frame.at)}.`;
    return html`<p class="banner bad">The web server cannot be reached. This page reconnects by itself.${since}</p>`;
  }
  if (frame?.isOrchestrated === false) {
    return html`<p class="banner warn">
      No orchestrator answers. The page shows the instances that the gateway routes to. They cannot be scaled or
      restarted here, and a failed instance is replaced only if Kubernetes or another scheduler runs it.
    </p>`;
  }
  return null;
}
