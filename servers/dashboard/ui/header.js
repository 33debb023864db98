// The bar on top: where one is, how the connection is, what one may do.
import { useEffect, useRef } from 'preact/hooks';
import { hrefOf } from '../model/location.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { nextTheme, theme } from '../state/theme.js';
import { VIEW_TITLES } from '../views/index.js';
import { html } from './html.js';

const STATES = { connecting: 'Connecting…', lost: 'Connection lost, trying again…', refused: 'A token is needed' };
const THEME_SIGNS = { system: '◐', light: '○', dark: '●' };

export function Header({ view, views, onHelp, onToken }) {
  const { control } = useObservable(session.access);
  const nav = useRef(null);
  useEffect(() => showCurrent(nav.current), [view]);
  return html`
    <header class="bar">
      <a class="brand" href=${hrefOf('fleet')}
        ><span aria-hidden="true">◆</span> <span class="brand-name">TooLoo</span></a
      >
      <nav aria-label="Views" ref=${nav}>
        ${views.map(
          (one) =>
            html`<a key=${one} href=${hrefOf(one)} aria-current=${one === view ? 'page' : undefined}
              >${VIEW_TITLES[one]}</a
            >`,
        )}
      </nav>
      <div class="bar-end">
        <${Connection} />
        <button type="button" class="quiet" onClick=${onToken}>
          <span aria-hidden="true">${control ? '◉' : '◎'}</span> ${control ? 'Control' : 'Read-only'}
        </button>
        <${ThemeButton} />
        <button type="button" class="quiet" aria-label="Keys and help" title="Keys and help (?)" onClick=${onHelp}>
          ?
        </button>
      </div>
    </header>
  `;
}

/** Where the tabs do not fit beside each other the current one is in the middle of those that are seen. */
function showCurrent(nav) {
  const current = nav.querySelector('[aria-current]');
  nav.scrollLeft = current.offsetLeft - nav.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}

/** Told aloud only when it changes: a screen reader must not read every frame. */
function Connection() {
  const state = useObservable(session.connection);
  const frame = useObservable(session.frame);
  const ready = frame?.instances.filter((one) => one.state === 'ready').length ?? 0;
  const text = state === 'live' ? `Live, ${ready} of ${frame?.instances.length ?? 0} ready` : STATES[state];
  return html`<p class="connection" data-state=${state} role="status"><span aria-hidden="true">●</span> ${text}</p>`;
}

function ThemeButton() {
  const current = useObservable(theme);
  return html`
    <button
      type="button"
      class="quiet"
      aria-label=${`Theme: ${current}`}
      title=${`Theme: ${current} (t)`}
      onClick=${nextTheme}
    >
      ${THEME_SIGNS[current]}
    </button>
  `;
}
