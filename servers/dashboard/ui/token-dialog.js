// Asks for the token that enables the controls.
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { html } from './html.js';
import { TokenForm } from './token-form.js';

export function TokenDialog({ dialog }) {
  const { control } = useObservable(session.access);
  return html`
    <dialog ref=${dialog} aria-labelledby="token-title">
      <h2 id="token-title">${control ? 'You may act' : 'Read-only'}</h2>
      <p>
        ${
          control
            ? 'Scaling, purging and the like are open to you: you are on the machine of the fleet, or gave its control token.'
            : 'To scale, purge and the like, give the control token (CONTROL_TOKEN of the fleet). All tabs of this browser use it. The last tab that closes forgets it.'
        }
      </p>
      <${TokenForm} />
      <form method="dialog"><button class="quiet">Close</button></form>
    </dialog>
  `;
}
