// The processor time of tracing per request on each Node that `NODES` names, with colons between the executables. A
// middleware that only enters an AsyncLocalStorage is the reference: no tracer that follows a request can cost less.
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { shuffled, start } from '../harness.js';
import { judge, machine, publish, quartiles, ratio } from '../report.js';
import { loadByWrk } from '../wrk.js';

const module = new URL('server.js', import.meta.url).pathname;
const NAMES = ['none', 'AsyncLocalStorage alone', 'trace, 10 %', 'trace, 100 %'];
const REFERENCE = 'AsyncLocalStorage alone';
const LEAST = { 'trace, 10 %': 0.97, 'trace, 100 %': 0.95 };
const CONNECTIONS = 50;
/** Seconds of load before the first round. */
const WARM_UP = 3;

const nodes = (process.env.NODES ?? process.execPath).split(':');
const rounds = Number(process.env.ROUNDS ?? 15);
const seconds = Number(process.env.SECONDS ?? 1);

/** A server under each tracer on each Node. */
async function startAll() {
  const servers = [];
  for (const node of nodes) {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().slice(1);
    for (const name of NAMES) {
      servers.push({
        version,
        name,
        key: `${name} on Node ${version}`,
        ...(await start({ module, args: [name], node })),
      });
    }
  }
  return servers;
}

/** By key: the requests of each round per second of the server's processor time. */
async function measure(servers) {
  const rates = Object.fromEntries(servers.map(({ key }) => [key, []]));
  for (const server of servers) await loadByWrk(server, { connections: CONNECTIONS, seconds: WARM_UP });
  for (let round = 0; round < rounds; round++) {
    for (const server of shuffled(servers)) {
      const { cost, failed, refused } = await loadByWrk(server, { connections: CONNECTIONS, seconds });
      if (failed + refused > 0) throw new Error(`${server.key}: ${failed} requests failed, ${refused} were refused`);
      rates[server.key].push(1e6 / cost);
    }
  }
  return rates;
}

const microseconds = (rates) => {
  const { median, low, high } = quartiles(rates.map((rate) => 1e6 / rate));
  return `${median.toFixed(1)} (${low.toFixed(1)} – ${high.toFixed(1)})`;
};

function rowOf({ version, name, key }, rates) {
  const reference = rates[`${REFERENCE} on Node ${version}`];
  const { median, low, high } = quartiles(rates[key].map((rate, round) => rate / reference[round]));
  return { name: key, cells: [version, name, microseconds(rates[key]), ratio({ median, least: low, most: high })] };
}

const servers = await startAll();
try {
  const rates = await measure(servers);
  publish({
    title: 'Tracing under Express, by version of Node',
    settings: `${rounds} interleaved rounds of ${seconds} s by wrk, ${CONNECTIONS} connections; medians and quartiles; ${machine().replace(/^.*?, /, '')}; load average ${loadavg()[0].toFixed(1)}`,
    columns: ['Node', 'server', 'processor µs each', `of ${REFERENCE}`],
    rows: servers.map((server) => rowOf(server, rates)),
    targets: servers
      .filter(({ name }) => name in LEAST)
      .map(({ version, name, key }) =>
        judge(
          {
            name: key,
            of: `${REFERENCE} on Node ${version}`,
            least: LEAST[name],
            what: `${key} / ${REFERENCE}, by processor time`,
          },
          rates,
        ),
      ),
  });
} finally {
  for (const { child } of servers) child.kill();
}
