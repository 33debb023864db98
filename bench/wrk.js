// wrk as the load: autocannon, which is a Node program, is itself the limit for small answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { processorTime } from './harness.js';

const UNITS = { us: 0.001, ms: 1, s: 1000 };

/** NaN for what wrk prints where nothing was answered in time. */
function milliseconds(text) {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  return Number(value) * UNITS[unit];
}

/** Parses the output of wrk: `{ rate, p99, errors, timeouts, refused, requests }`. */
export function readWrk(output) {
  const number = (pattern) => Number(pattern.exec(output)?.[1] ?? 0);
  const [, ...counts] = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output) ?? [
    0, 0, 0, 0, 0,
  ];
  const [connect, read, write, timeouts] = counts.map(Number);
  return {
    rate: number(/Requests\/sec:\s+([\d.]+)/),
    p99: milliseconds(/^ +99%\s+(\S+)/m.exec(output)[1]),
    requests: number(/(\d+) requests in/),
    errors: connect + read + write,
    timeouts,
    refused: number(/Non-2xx or 3xx responses: (\d+)/),
  };
}

/** The arguments of wrk for a server on that port. */
export function wrkArguments(port, { path = '/', connections, seconds, headers = {}, script }) {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const measured = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency'];
  const options = [...measured, ...fields, ...(script ? ['-s', script] : [])];
  return [...options, `http://127.0.0.1:${port}${path}`];
}

/**
 * Loads a server that `start` started: requests a second, µs of its processor time for each, p99 in ms, and what went wrong.
 *
 * @param script a Lua script for requests other than GET
 */
export async function loadByWrk({ child, port }, load) {
  const before = await processorTime(child);
  const wrk = spawn('wrk', wrkArguments(port, load), { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  wrk.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await Promise.race([once(wrk, 'close'), once(wrk, 'error').then(([error]) => Promise.reject(error))]);
  if (code !== 0) throw new Error(`wrk ended with ${code}; it is needed to load servers (apt-get install wrk)`);
  const used = (await processorTime(child)) - before;
  const { requests, errors, timeouts, ...rest } = readWrk(output);
  return { ...rest, failed: errors + timeouts, cost: used / requests };
}
