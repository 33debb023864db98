// Loads servers in short slices that take turns, with a client of its own for each. A client opens its connections once, and is stopped
// between two of its slices. A disturbance of a second therefore affects all servers. No figure contains the opening of connections, if
// all servers take a turn within 4 s, for which undici keeps a connection to the origin. Thirteen servers do.
//
// A rented machine is up to twice as slow for some tenths of a second, again and again. The best quarter of the slices hardly depends on
// that. Between processes of one program, it mostly differs by a few percent, and the mean of the slices by a half.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { setTimeout as pass } from 'node:timers/promises';
import { ask, shuffled, start } from './harness.js';
import { on, placement } from './processors.js';
import { machine, quartiles } from './report.js';
import { readWrk, wrkArguments } from './wrk.js';

/** Milliseconds at the beginning of a slice that are not measured: the client reads the answers of the meantime. */
const HEAD = 30;
/** Milliseconds in which the server answers what was on its way when its client was stopped. */
const TAIL = 15;
const FOREVER = 1_000_000; // seconds
/** Slices of each server that are not counted. While the others are started, V8 drops the code of those that wait. */
const AGAIN_WARM = 8;

/** The clients at work. Without this process they would load the next server that gets the port of their server. */
const atWork = new Set();
process.once('exit', () => {
  for (const wrk of atWork) wrk.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

class StoppedClient {
  #server;
  #wrk;
  #output = '';
  #isEnded = false;

  /** @param workload `{ path, connections, headers, script }` */
  constructor(server, workload) {
    this.#server = server;
    const args = wrkArguments(server.port, { ...workload, seconds: FOREVER });
    const placed = on('clients', 'wrk', args);
    this.#wrk = spawn(placed.command, placed.args, { stdio: ['ignore', 'pipe', 'inherit'] });
    atWork.add(this.#wrk);
    this.#wrk.once('exit', () => {
      atWork.delete(this.#wrk);
      if (!this.#isEnded) throw new Error(`wrk ended by itself; ${args.join(' ')}`);
    });
    this.#wrk.stdout.setEncoding('utf8').on('data', (text) => (this.#output += text));
  }

  stop() {
    this.#wrk.kill('SIGSTOP');
  }

  kill() {
    this.#isEnded = true;
    this.#wrk.kill('SIGKILL');
  }

  /** What the server did within so many milliseconds: `{ milliseconds, requests, cpu }`, the last in µs. */
  async slice(milliseconds) {
    this.#wrk.kill('SIGCONT');
    await pass(HEAD);
    const before = await ask(this.#server.child, 'progress');
    await pass(milliseconds);
    const after = await ask(this.#server.child, 'progress');
    this.stop();
    await pass(TAIL);
    return {
      milliseconds: after.at - before.at,
      requests: after.requests - before.requests,
      cpu: after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system,
    };
  }

  /** `{ failed, refused }` of all slices. A request that waited for the next slice has taken long, and not failed. */
  async end() {
    this.#isEnded = true;
    this.#wrk.kill('SIGCONT');
    const closed = once(this.#wrk, 'close');
    // wrk sleeps on where another of its threads than the first gets the signal.
    const again = setInterval(() => this.#wrk.kill('SIGINT'), 50);
    await closed;
    clearInterval(again);
    const { errors, refused } = readWrk(this.#output);
    return { failed: errors, refused };
  }
}

/**
 * Starts the servers and loads them, anew for each round, because two processes of one program can differ by a tenth. Resolves to the
 * samples by name of the server, one for each round: `{ rate, cost, failed, refused }`, in requests a second and µs of processor time for
 * each. Both are the better quartile of the slices.
 *
 * @param servers By name: the module to start, its arguments, and the executable of Node.
 * @param workload `{ path, connections, headers, script }`, as `wrk` is given them.
 * @param check Called with the port of each server before it is loaded. It throws if the server answers something else than is measured.
 * @param slices Number of slices in a round, each of so many `milliseconds`.
 * @param warmUp Seconds of load before the first slice.
 */
export async function sampleInSlices({ servers, rounds, ...settings }) {
  const samples = Object.fromEntries(Object.keys(servers).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const seen = await roundOf(servers, settings);
    for (const [name, sample] of Object.entries(seen)) samples[name].push(sample);
  }
  return samples;
}

async function roundOf(servers, { workload, check, slices, milliseconds, warmUp }) {
  const running = [];
  const clients = new Map();
  try {
    for (const [name, description] of shuffled(Object.entries(servers))) {
      const server = await start(description);
      running.push(server);
      await check?.(server.port);
      const client = new StoppedClient(server, workload);
      clients.set(name, client);
      await pass(warmUp * 1000);
      client.stop();
    }
    const seen = Object.fromEntries(Object.keys(servers).map((name) => [name, []]));
    for (let slice = -AGAIN_WARM; slice < slices; slice++) {
      for (const [name, client] of shuffled([...clients])) {
        const one = await client.slice(milliseconds);
        if (slice >= 0) seen[name].push(one);
      }
    }
    const samples = {};
    for (const name of Object.keys(servers)) {
      samples[name] = { ...sampleOf(seen[name]), ...(await clients.get(name).end()) };
    }
    return samples;
  } finally {
    for (const client of clients.values()) client.kill();
    for (const { child } of running) child.kill();
  }
}

/** How samples were taken, as a table says it; `connections` is text. */
export function settingsOf({ rounds, slices, milliseconds, connections, version }) {
  return (
    `${rounds} rounds of ${slices} interleaved slices of ${milliseconds} ms, of which the better quartile counts, each with processes of its own, ` +
    `${connections}; ${placement}${machine(version)}; load average ${loadavg()[0].toFixed(1)}`
  );
}

/** The quartiles that a disturbance moves least. */
function sampleOf(slices) {
  const rates = slices.map(({ requests, milliseconds }) => (1000 * requests) / milliseconds);
  const costs = slices.filter(({ requests }) => requests > 0).map(({ cpu, requests }) => cpu / requests);
  return { rate: quartiles(rates).high, cost: quartiles(costs).low };
}
