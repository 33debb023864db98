// A form for the token. The token is stored for the tabs of this browser session.
import { useState } from 'preact/hooks';
import { savedToken } from '../state/token.js';
import { session } from '../state/session.js';
import { html } from './html.js';

/** @param onDone called when the token grants the required access */
export function TokenForm({ onDone }) {
  const [message, setMessage] = useState('');
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { read, control } = await session.useToken(new FormData(form).get('token').trim());
    if (savedToken() === undefined) setMessage('The token is forgotten.');
    else if (!read && !control) setMessage('The server does not accept this token.');
    else {
      form.reset();
      setMessage(control ? 'Accepted: you may act.' : 'Accepted: you may look.');
      onDone?.();
    }
  };
  return html`
    <form class="token" onSubmit=${submit}>
      <label>Token <input name="token" type="password" autocomplete="off" spellcheck=${false} /></label>
      <button>Use it</button>
      <p role="status">${message}</p>
    </form>
  `;
}
