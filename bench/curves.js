// Measures how a cost grows with size: at several sizes, in interleaved rounds. Publishes a table and a chart.
import { shuffled } from './harness.js';
import { judge, publish, spread } from './report.js';

/**
 * Measures everything at every size, in an order drawn anew in each round.
 *
 * @param measure `(name, size)`: what it cost, or a promise of it
 * @returns by name and size: the costs in every round
 */
export async function measureCurves({ names, sizes, rounds, measure }) {
  const samples = Object.fromEntries(names.map((name) => [name, Object.fromEntries(sizes.map((size) => [size, []]))]));
  const pairs = names.flatMap((name) => sizes.map((size) => [name, size]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, size] of shuffled(pairs)) samples[name][size].push(await measure(name, size));
  }
  return samples;
}

const digits = (value) => (value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

/** `size` as a row of the chart's axis and of the table; `labelOf` says how it is called. */
export function publishCurves({ title, settings, x, y, samples, labelOf, notes, targets = [] }) {
  const names = Object.keys(samples);
  const sizes = Object.keys(samples[names[0]]).map((size) => ({
    size: Number(size),
    label: labelOf?.(Number(size)) ?? Number(size).toLocaleString('en'),
  }));
  const lines = names.map((name) => ({
    name,
    points: sizes.map(({ size }) => ({ size, spread: spread(samples[name][size]) })),
  }));
  publish({
    title,
    settings,
    columns: [y, ...sizes.map(({ label }) => `${label} ${x}`), 'growth'],
    rows: lines.map(({ name, points }) => {
      const costs = points.map((point) => point.spread.median);
      return { name, cells: [name, ...costs.map(digits), `${(costs.at(-1) / costs[0]).toFixed(1)} ×`] };
    }),
    curves: { x, y, sizes, lines },
    notes,
    targets,
  });
}

/** Judges how much a cost may grow from the first size to the last: `most` times. */
export function judgeGrowth({ what, most }, bySize) {
  const sizes = Object.keys(bySize);
  const rates = Object.fromEntries(sizes.map((size) => [size, bySize[size].map((cost) => 1 / cost)]));
  return judge({ name: sizes.at(-1), of: sizes[0], least: 1 / most, what }, rates);
}
