// Measures what ten to ten thousand open connections cost a server, with and without the kit's middleware: its memory,
// and the time of an answer at a constant rate. Every figure is of a server that has just started.
import { measureCurves, publishCurves } from '../curves.js';
import { memoryOf, processorTime, spread, start } from '../harness.js';
import { judgeMost, machine, publish } from '../report.js';
import { OpenConnections, mostFiles } from './open-connections.js';

const SIZES = [10, 100, 1000, 10_000];
const FILES_BESIDE = 200;
const rounds = Number(process.env.ROUNDS ?? 5);
const rate = Number(process.env.RATE ?? 1000);
const SECONDS = 0.5;
/** Requests a second before anything is looked at: enough that what is used often is compiled. */
const WARM_RATE = 4000;
const module = new URL('connections-server.js', import.meta.url).pathname;
const servers = { Express: 'alone', 'Express, the kit': 'kit' };

const sizes = SIZES.filter((size) => size + FILES_BESIDE <= mostFiles());
const tooMany = SIZES.filter((size) => !sizes.includes(size));

async function measure(name, size) {
  const { child, port } = await start({ module, args: [servers[name]] });
  const first = await OpenConnections.open(port, 10); // code is loaded and compiled before memory is looked at
  await first.requests(WARM_RATE, SECONDS);
  try {
    const before = await memoryOf(child);
    const connections = await OpenConnections.open(port, size);
    const open = await memoryOf(child);
    const began = await processorTime(child);
    const latencies = (await connections.requests(rate, SECONDS)).sort((a, b) => a - b);
    const took = (await processorTime(child)) - began;
    connections.close();
    return {
      p50: latencies[Math.floor(latencies.length / 2)],
      p99: latencies[Math.floor(latencies.length * 0.99)],
      cost: took / latencies.length,
      heap: (open.used - before.used) / size,
      resident: (open.rss - before.rss) / size,
    };
  } finally {
    first.close();
    child.kill();
  }
}

const names = Object.keys(servers);
const found = await measureCurves({ names, sizes, rounds, measure });
const of = (figure) =>
  Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(sizes.map((size) => [size, found[name][size].map(figure)]))]),
  );
const settings =
  `${rounds} interleaved rounds of ${SECONDS} s, ${rate.toLocaleString('en')} requests a second over all connections in turn; ${machine()}` +
  tooMany
    .map((size) => `. ${size.toLocaleString('en')} connections: the system grants ${mostFiles()} open files`)
    .join('');
publishCurves({
  title: 'Processor time of an answer, by open connections',
  settings,
  x: 'connections',
  y: 'µs',
  samples: of(({ cost }) => cost),
});
publishCurves({
  title: 'Time of an answer, by open connections',
  settings: `${settings}. Median of the answers.`,
  x: 'connections',
  y: 'ms',
  samples: of(({ p50 }) => p50),
});
const largest = sizes.at(-1);
const kilobytes = (name, figure) => (spread(found[name][largest].map((one) => one[figure])).median / 1000).toFixed(1);
publish({
  title: 'Memory of an open connection',
  settings: `${largest.toLocaleString('en')} connections, each of which has had an answer; after a collection; ${machine()}`,
  columns: ['server', 'heap, kB each', 'resident, kB each', 'p99 ms of an answer'],
  rows: names.map((name) => {
    const p99 = spread(found[name][largest].map((one) => one.p99)).median.toFixed(1);
    return { name, cells: [name, kilobytes(name, 'heap'), kilobytes(name, 'resident'), p99] };
  }),
  targets: [
    judgeMost(
      { what: 'heap of a connection, Express with the kit / Express', most: 1.5 },
      found['Express, the kit'][largest].map(({ heap }, round) => heap / found.Express[largest][round].heap),
    ),
  ],
});
process.exit();
