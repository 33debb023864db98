// The control room: the live state of the fleet, for an operator who keeps this page open.
import { render } from 'preact';
import { html } from './ui/html.js';
import { App } from './app.js';
import { session } from './state/session.js';
import { applyTheme } from './state/theme.js';

applyTheme();
const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
void session.open();
