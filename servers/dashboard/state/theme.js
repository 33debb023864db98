// Dark or light theme: the system's setting, until the viewer chooses one.
import { Observable } from './observable.js';

const STORED = 'tooloo.theme';
const ORDER = ['system', 'light', 'dark'];

export const theme = new Observable(ORDER.find((one) => one === localStorage.getItem(STORED)) ?? 'system');

export function applyTheme() {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function nextTheme() {
  const next = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
  localStorage.setItem(STORED, next);
  theme.set(next);
  applyTheme();
}
