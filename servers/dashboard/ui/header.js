// The bar at the top: navigation, connection state and controls.
import { useEffect, useRef } from 'preact/hooks';
import { fleetHealth, SEVERITY_SIGNS } from '../model/fleet-health.ts';
import { hrefOf } from '../model/location.ts';
import { session } from '../state/session.js';
import { useObservable } from '../state/observable.js';
import { nextTheme, theme } from '../state/theme.js';
import { showHealth } from '../state/page-title.js';
import { VIEW_TITLES } from '../views/index.js';
import { html } from './html.js';

const STATES = { connecting: 'Connecting…', lost: 'Connection lost, trying again…', refused: 'A token is needed' };
const UNKNOWN_SIGN = '○';
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

/** If the tabs do not all fit, scrolls the current one to the middle. */
function showCurrent(nav) {
  const current = nav.querySelector('[aria-current]');
  nav.scrollLeft = current.offsetLeft - nav.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}

/** The text changes only with the connection state and the counts, so a screen reader does not read every frame. */
function Connection() {
  const state = useObservable(session.connection);
  const frame = useObservable(session.frame);
  const health = frame && fleetHealth(frame);
  const severity = state === 'live' ? (health?.severity ?? 'good') : state === 'connecting' ? 'plain' : 'bad';
  const problems = state === 'live' ? (health?.problems ?? []) : [];
  const text = state === 'live' ? `Live, ${health?.ready ?? 0} of ${health?.total ?? 0} ready` : STATES[state];
  const worst = problems[0]?.text;
  useEffect(() => showHealth(severity, worst), [severity, worst]);
  const sign = html`<span aria-hidden="true">${SEVERITY_SIGNS[severity] ?? UNKNOWN_SIGN}</span>`;
  const content = html`${sign} ${text}<${Worst} problems=${problems} />`;
  return html`<p class="connection" data-severity=${severity} role="status">${content}</p>`;
}

/** The worst problem, with a link to its instance. */
function Worst({ problems: [worst, ...others] }) {
  if (worst === undefined) return null;
  const href = hrefOf('fleet', worst.instance === undefined ? [] : [worst.instance]);
  return html`, <a href=${href}>${worst.text}${others.length > 0 ? ` and ${others.length} more` : ''}</a>`;
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
