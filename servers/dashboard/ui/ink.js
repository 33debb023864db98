// The colours of the style sheet for what draws on a canvas: a custom property alone does not tell which theme it is in.
const NAMES = ['muted', 'line', 'accent', 'good', 'warn', 'bad', 'violet', 'teal'];

/** The colours of now, by name. */
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
