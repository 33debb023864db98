// Keyboard shortcuts: a digit opens a view, `?` lists all shortcuts. A view marks what `/` and `p` act on.
import { useEffect } from 'preact/hooks';
import { hrefOf, VIEWS } from '../model/location.ts';
import { goTo } from './place.js';
import { nextTheme } from './theme.js';

export const SHORTCUTS = [
  [`1 – ${VIEWS.length}`, 'Go to a view'],
  ['/', 'Search in the view'],
  ['p', 'Pause a list, or continue'],
  ['t', 'Change the theme'],
  ['?', 'Show these keys'],
  ['Esc', 'Close what is open'],
];

const TYPED_INTO = new Set(['INPUT', 'SELECT', 'TEXTAREA']);

export function useShortcuts(onHelp) {
  useEffect(() => {
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || TYPED_INTO.has(event.target.tagName)) return;
      if (document.querySelector('dialog[open]') !== null) return;
      const view = VIEWS[Number(event.key) - 1];
      const search = document.querySelector('[data-search]');
      const pause = document.querySelector('[data-pause]');
      if (view !== undefined) goTo(hrefOf(view));
      else if (event.key === '?') onHelp();
      else if (event.key === 't') nextTheme();
      else if (event.key === '/' && search !== null) search.focus();
      else if (event.key === 'p' && pause !== null) pause.click();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}
