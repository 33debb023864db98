// The frame around each view: tabs, connection state, theme, token and help.
import { useEffect, useRef } from 'preact/hooks';
import { html } from './ui/html.js';
import { VIEWS } from './model/location.ts';
import { session } from './state/session.js';
import { place } from './state/place.js';
import { showView } from './state/page-title.js';
import { useObservable } from './state/observable.js';
import { useShortcuts } from './state/shortcuts.js';
import { Header } from './ui/header.js';
import { HelpDialog } from './ui/help-dialog.js';
import { TokenDialog } from './ui/token-dialog.js';
import { TokenGate } from './ui/token-gate.js';
import { Banner } from './ui/banner.js';
import { VIEW_COMPONENTS, VIEW_TITLES } from './views/index.js';

export function App() {
  const { view, parts, query } = useObservable(place);
  const access = useObservable(session.access);
  const help = useRef(null);
  const token = useRef(null);
  const main = useRef(null);
  useShortcuts(() => help.current?.showModal());
  useEffect(() => {
    showView(VIEW_TITLES[view]);
  }, [view]);

  const View = VIEW_COMPONENTS[view];
  const skip = (event) => {
    event.preventDefault(); // the view owns the address
    main.current?.focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header}
      view=${view}
      views=${VIEWS}
      onHelp=${() => help.current?.showModal()}
      onToken=${() => token.current?.showModal()}
    />
    <main id="main" ref=${main} tabindex="-1">
      <h1 class="visually-hidden">${VIEW_TITLES[view]}</h1>
      ${access.read ? html`<${Banner} /><${View} key=${view} parts=${parts} query=${query} />` : html`<${TokenGate} />`}
    </main>
    <${HelpDialog} dialog=${help} />
    <${TokenDialog} dialog=${token} />
  `;
}
