// A colour for each service's line.
const COLORS = ['accent', 'teal', 'violet', 'warn', 'good', 'bad'];

export function serviceLines(services) {
  return services.map((label, i) => ({ label, color: COLORS[i % COLORS.length] }));
}
