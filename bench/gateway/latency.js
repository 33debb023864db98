// The time that a gateway adds to an answer at a constant rate: 70 % of what all five could answer this client a moment before.
// The time of a request counts from when it is due, also if it waits for a connection. A round counts only if all five could still answer
// about as much after it. When the processor has become slow, 70 % of the earlier maximum is more than they can answer.
import { loadavg } from 'node:os';
import { shuffled, spread, start } from '../harness.js';
import { placement } from '../processors.js';
import { judgeMost, machine, publish, whole } from '../report.js';
import { OpenConnections } from '../scale/open-connections.js';
import { gateways, NGINX, startOrigin } from './gateways.js';

const CONNECTIONS = 50;
const LOAD = 0.7;
/** By how much all five may become faster or slower within a round. */
const STEADY = 0.15;
/** Rounds that may be lost for each that counts. */
const MOST_DISTURBED = 10;
const ORIGIN = 'the origin alone';
const OURS = 'all five';
/** A proxy that uses only Node's server and undici. */
const FLOOR = 'bare undici';
/** Seconds until V8 has compiled what a gateway runs often. */
const WARM_UP = 5;
const rounds = Number(process.env.ROUNDS ?? 7);
const seconds = Number(process.env.SECONDS ?? 3);

const origin = await startOrigin();
const running = { [ORIGIN]: origin };
for (const [name, server] of Object.entries(gateways([NGINX, FLOOR, 'proxy alone', OURS], origin)))
  running[name] = await start(server);
const names = Object.keys(running);

for (const name of names) {
  const most = await mostOf(running[name], WARM_UP);
  await timesOf(running[name], Math.round(LOAD * most));
}
const rates = [];
const times = Object.fromEntries(names.map((name) => [name, []]));
let disturbed = 0;
for (let before = await mostOf(running[OURS]); rates.length < rounds;) {
  const rate = Math.round(LOAD * before);
  const round = [];
  for (const name of shuffled(names)) round.push([name, await timesOf(running[name], rate)]);
  const after = await mostOf(running[OURS]);
  if (Math.abs(after / before - 1) > STEADY) {
    if (++disturbed > MOST_DISTURBED * rounds) throw new Error('The machine is too unsteady for this comparison.');
  } else {
    rates.push(rate);
    for (const [name, seen] of round) times[name].push(seen);
  }
  before = after;
}
report();
for (const { child } of Object.values(running)) child.kill();
process.exit();

/** Answers a second. The client takes a part of the processors, so what another client could have does not count. */
async function mostOf(server, duration = seconds) {
  const connections = await OpenConnections.open(server.port, CONNECTIONS);
  const rate = await connections.most(duration);
  connections.close();
  return rate;
}

/** Milliseconds: the median of the answers, and the 99th and 99.9th percentile, once the connections have been in use for a second. */
async function timesOf(server, rate) {
  const connections = await OpenConnections.open(server.port, CONNECTIONS);
  await connections.requests(rate, 1);
  connections.failed = 0;
  const taken = (await connections.requests(rate, seconds)).sort((a, b) => a - b);
  const { failed } = connections;
  connections.close();
  const at = (share) => taken[Math.min(taken.length - 1, Math.floor(taken.length * share))];
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), failed };
}

function report() {
  const median = (name, key) => spread(times[name].map((one) => one[key])).median.toFixed(2);
  const added = (name) => times[name].map(({ p99 }, round) => p99 - times[ORIGIN][round].p99);
  const againstNginx = (name) => added(name).map((one, round) => one / added(NGINX)[round]);
  const seen = (numbers) => {
    const { median: middle, least, most } = spread(numbers);
    return `${middle.toFixed(2)} (${least.toFixed(2)} – ${most.toFixed(2)})`;
  };
  const rate = spread(rates);
  publish({
    title: 'Time of an answer at 70 % of what all five can answer',
    settings:
      `${rounds} interleaved rounds of ${seconds} s (${disturbed} more did not count) at ${whole(rate.median)} (${whole(rate.least)} – ${whole(rate.most)}) requests a second, ` +
      `${CONNECTIONS} connections; ${placement}${machine()}; load average ${loadavg()[0].toFixed(1)}`,
    columns: ['server', 'p50 ms', 'p99 ms', 'p99.9 ms', 'added to the p99, ms', 'failed'],
    rows: names.map((name) => {
      const own = [median(name, 'p50'), median(name, 'p99'), median(name, 'p999')];
      const failed = times[name].reduce((sum, one) => sum + one.failed, 0);
      return { name, cells: [name, ...own, name === ORIGIN ? '' : seen(added(name)), failed] };
    }),
    targets: [
      judgeMost(
        {
          what: `${OURS} / ${NGINX}: added to the p99`,
          most: 1.5,
          floor: { name: FLOOR, found: spread(againstNginx(FLOOR)) },
        },
        againstNginx(OURS),
      ),
    ],
  });
}
