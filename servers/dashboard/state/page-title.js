// The title and the icon of the page: the view, and the worst state of the fleet.
const COLORS = { good: '#19703f', warn: '#b87400', bad: '#b3261e', plain: '#8b97a5' };

let view = '';
let problem;

export function showView(title) {
  view = title;
  write();
}

/** @param worst the worst problem in words; undefined without one */
export function showHealth(severity, worst) {
  problem = worst;
  write();
  const shape = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${COLORS[severity]}"/></svg>`;
  document.querySelector('link[rel="icon"]').href = `data:image/svg+xml,${encodeURIComponent(shape)}`;
}

function write() {
  document.title = [...(problem === undefined ? [] : [`✕ ${problem}`]), view, 'TooLoo control room'].join(' · ');
}
