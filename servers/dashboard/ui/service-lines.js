// Colours for lines. With more lines than colours, show small multiples instead.
const COLORS = ['accent', 'teal', 'violet', 'warn', 'good', 'bad'];

export function colorOf(i) {
  return COLORS[i % COLORS.length];
}
