// Loads servers in short slices that take turns, with a client of its own for each. A client opens its connections once; between two
// of its slices it is stopped. What disturbs the machine for a second therefore disturbs all servers, and no figure contains the
// opening of connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pass } from 'node:timers/promises';
import { ask, shuffled, start } from './harness.js';
import { readWrk, wrkArguments } from './wrk.js';

/** Milliseconds at the beginning of a slice that are not measured: the client comes back to what was answered meanwhile. */
const HEAD = 30;
/** Milliseconds in which the server answers what was on its way when its client was stopped. */
const TAIL = 15;
const FOREVER = 1_000_000; // seconds

class StoppedClient {
  #server;
  #wrk;
  #output = '';
  #isEnded = false;

  /** @param workload `{ path, connections, headers, script }` */
  constructor(server, workload) {
    this.#server = server;
    const args = wrkArguments(server.port, { ...workload, seconds: FOREVER });
    this.#wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#wrk.once('exit', () => {
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
 * Starts the servers and loads them, round by round. Resolves to the samples by name of the server, one for each round:
 * `{ rate, cost, failed, refused }`, in requests a second and µs of processor time for each. What went wrong is known at the end, and
 * counts as of the last round.
 *
 * @param servers by name: the module to start, its arguments, and the executable of Node
 * @param workload `{ path, connections, headers, script }`, as `wrk` is given them
 * @param check called with the port of each server before it is loaded; throws where its answer is not the one to measure
 */
export async function sampleInSlices({ servers, workload, check, rounds, slices, milliseconds, warmUp }) {
  const running = new Map();
  const clients = new Map();
  try {
    for (const [name, server] of Object.entries(servers)) running.set(name, await start(server));
    const names = [...running.keys()];
    for (const name of names) await check?.(running.get(name).port, name);
    for (const name of names) {
      const client = new StoppedClient(running.get(name), workload);
      clients.set(name, client);
      await pass(warmUp * 1000);
      client.stop();
    }
    const samples = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      const seen = await roundOf(clients, slices, milliseconds);
      for (const name of names) samples[name].push(sampleOf(seen[name]));
    }
    for (const name of names) Object.assign(samples[name].at(-1), await clients.get(name).end());
    return samples;
  } finally {
    for (const client of clients.values()) client.kill();
    for (const { child } of running.values()) child.kill();
  }
}

async function roundOf(clients, slices, milliseconds) {
  const seen = Object.fromEntries([...clients.keys()].map((name) => [name, []]));
  for (let slice = 0; slice < slices; slice++) {
    for (const [name, client] of shuffled([...clients])) seen[name].push(await client.slice(milliseconds));
  }
  return seen;
}

function sampleOf(slices) {
  const sum = (key) => slices.reduce((total, slice) => total + slice[key], 0);
  const rate = (sum('requests') / sum('milliseconds')) * 1000;
  return { rate, cost: sum('cpu') / sum('requests'), failed: 0, refused: 0 };
}
