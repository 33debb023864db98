// How often a second something runs: measured where nothing else had the processor, and published as a table.
import { publish, ratio, spread, whole } from './report.js';

/** Milliseconds of processor time that this process has used. */
function used() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** How long each batch took, until so many milliseconds of processor time are used: others may have the processor meanwhile. */
async function durationsOf(run, batch, milliseconds) {
  const durations = [];
  const end = used() + milliseconds;
  for (let began = performance.now(); used() < end; began = performance.now()) {
    await run(batch);
    durations.push(performance.now() - began);
  }
  return durations;
}

/**
 * Operations a second in the fastest tenth of the batches: those in which nothing else had the processor.
 *
 * @param run does `n` operations and returns nothing, or a promise; it runs as long before it is measured, to be compiled
 */
export async function undisturbedRate(run, { batch, milliseconds = 300 }) {
  await durationsOf(run, batch, milliseconds);
  const durations = await durationsOf(run, batch, milliseconds);
  durations.sort((a, b) => a - b);
  const fastest = durations.slice(0, Math.ceil(durations.length / 10));
  return (1000 * batch * fastest.length) / fastest.reduce((sum, one) => sum + one, 0);
}

/**
 * @param rates by name: the rate in every round
 * @param ours name of the one whose ratio to each other is printed
 * @param more by name: what further cells its row has, under the headings of `columns`
 */
export function publishRates({ title, settings, rates, ours, columns = [], more = {}, notes = [], targets }) {
  const names = Object.keys(rates);
  publish({
    title,
    settings,
    columns: ['', 'operations/s, undisturbed', ...columns],
    rows: names.map((name) => {
      const rate = spread(rates[name]);
      const seen = `${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)})`;
      return { name, rate, cells: [name, seen, ...(more[name] ?? [])] };
    }),
    notes: [
      ...names
        .filter((name) => name !== ours)
        .map((name) => `${ours} / ${name}: ${ratio(spread(rates[ours].map((rate, i) => rate / rates[name][i])))}`),
      ...notes,
    ],
    targets,
  });
}
