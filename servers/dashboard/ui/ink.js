// The colours of the style sheet for drawing on a canvas. A custom property is not resolved for the theme, so a probe
// element resolves it.
const NAMES = ['muted', 'line', 'accent', 'good', 'warn', 'bad', 'violet', 'teal'];

/** The current colours, by name. */
export function inkColors() {
  const probe = document.createElement('span');
  document.body.append(probe);
  const colors = Object.fromEntries(
    NAMES.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
  probe.remove();
  return colors;
}
