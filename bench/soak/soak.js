// Millions of requests against one server with the lot, in slices; after each its memory is looked at, with the garbage
// collected. REQUESTS=300000 for a short one.
import { setTimeout as pass } from 'node:timers/promises';
import { ask, memoryOf, processorTime, start } from '../harness.js';
import { judgeMost, machine, publish, spread, whole } from '../report.js';
import { secondHalf, slope } from './flatness.js';
import { client, loadFor } from './load.js';

const REQUESTS = Number(process.env.REQUESTS ?? 10_000_000);
const CONNECTIONS = 64;
/** Slices, about; none is shorter than a second nor longer than ten. */
const SLICES = 80;
const TENTHS = 10;
/** Milliseconds until a slice's connections are closed and forgotten. */
const SETTLE = 200;
/**
 * Bytes that each request may leave behind. The smallest object takes 16 bytes, so a leak of one object per request, or
 * per ten requests, exceeds this bound. Smaller leaks cannot be distinguished from the noise of the heap.
 */
const FLAT = 1;

const module = (name) => new URL(name, import.meta.url).pathname;
const origin = await start({ module: module('origin.js') });
const server = await start({ module: module('server.js'), args: [String(origin.port)] });
const url = `http://127.0.0.1:${server.port}`;

const { requests: inTwoSeconds } = await loadFor(url, CONNECTIONS, 2);
const seconds = Math.min(10, Math.max(1, Math.round(REQUESTS / (inTwoSeconds / 2) / SLICES)));
const samples = [];
let sent = 0;
while (sent < REQUESTS) {
  const before = await processorTime(server.child);
  const { requests, p99, unanswered, refused } = await loadFor(url, CONNECTIONS, seconds);
  const cost = ((await processorTime(server.child)) - before) / requests;
  sent += requests;
  await pass(SETTLE);
  const memory = await memoryOf(server.child);
  samples.push({ sent, rate: requests / seconds, cost, p99, unanswered, refused, ...memory });
  if (samples.length % TENTHS === 0) console.error(`${whole(sent)} of ${whole(REQUESTS)} requests`);
}
const { buckets, cache, traced } = await ask(server.child, 'bounds');
for (const { child } of [server, origin]) child.kill();

/** The samples in ten groups, in order. */
const tenths = Array.from({ length: TENTHS }, (_, i) =>
  samples.slice(Math.floor((i * samples.length) / TENTHS), Math.floor(((i + 1) * samples.length) / TENTHS)),
).filter((group) => group.length > 0);
const median = (group, figure) => spread(group.map((sample) => sample[figure])).median;
const sum = (group, figure) => group.reduce((total, sample) => total + sample[figure], 0);
/** Bytes that each request added, over the second half. */
const growth = (figure) => slope(secondHalf(samples.map((sample) => [sample.sent, sample[figure]])));
const [first, last] = [tenths[0], tenths.at(-1)];

publish({
  title: 'One server with the lot, under load for long',
  settings:
    `${whole(sent)} requests by ${client} over ${CONNECTIONS} connections in ${samples.length} slices of ${seconds} s, ` +
    `2,000,000 clients, 200,000 documents; medians of the tenths, memory after a collection; ${machine()}`,
  columns: [
    'requests until then',
    'requests/s',
    'processor µs each',
    'p99 ms',
    'failed',
    'heap and external, MB',
    'resident, MB',
    'handles',
  ],
  rows: tenths.map((group) => {
    const name = whole(group.at(-1).sent);
    const megabytes = (figure) => (median(group, figure) / 1e6).toFixed(1);
    const bad = sum(group, 'unanswered') + sum(group, 'refused');
    const speed = [whole(median(group, 'rate')), median(group, 'cost').toFixed(0), median(group, 'p99').toFixed(1)];
    return { name, cells: [name, ...speed, bad, megabytes('used'), megabytes('rss'), median(group, 'handles')] };
  }),
  notes: [
    `Over the second half memory grew by ${growth('used').toFixed(2)} bytes a request (Theil–Sen), resident memory by ` +
      `${growth('rss').toFixed(2)}. At the end: ${whole(cache.size)} responses stored, ${whole(cache.evictions)} evicted, ` +
      `${(100 * cache.hitRate).toFixed(0)} % hits; ${whole(buckets.size)} buckets after ` +
      `${whole(buckets.decisions)} decisions; ${whole(traced)} requests counted by the tracer.`,
    `A request took ${median(first, 'cost').toFixed(0)} µs of the server's processor time in the first tenth and ` +
      `${median(last, 'cost').toFixed(0)} µs in the last; p99 was ${median(first, 'p99').toFixed(1)} ms and ${median(last, 'p99').toFixed(1)} ms.`,
  ],
  targets: [
    judgeMost({ what: 'bytes a request leaves behind, second half', most: FLAT }, [growth('used')]),
    judgeMost({ what: 'handles at the end, beyond those of the first tenth', most: CONNECTIONS }, [
      median(last, 'handles') - median(first, 'handles'),
    ]),
    judgeMost({ what: 'requests that were not answered', most: 0 }, [sum(samples, 'unanswered')]),
    judgeMost({ what: 'answers that were no success', most: 0 }, [sum(samples, 'refused')]),
  ],
});
process.exit();
