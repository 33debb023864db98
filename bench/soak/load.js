// Loads a server for some seconds: with wrk where there is one, since it leaves more of the machine to the server, or autocannon.
import autocannon from 'autocannon';
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { anyRequest } from './requests.js';

const run = promisify(execFile);
const script = new URL('requests.lua', import.meta.url).pathname;
const MILLISECONDS = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function hasWrk() {
  try {
    execFileSync('wrk', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return error.code !== 'ENOENT'; // it exits with 1 after printing its version
  }
}

/** Parses the output of wrk. */
function readWrk(text) {
  const [, value, unit] = /99%\s+([\d.]+)(us|ms|s|m)/.exec(text);
  const [, ...errors] = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text) ?? [];
  return {
    requests: Number(/(\d+) requests in/.exec(text)[1]),
    p99: Number(value) * MILLISECONDS[unit],
    unanswered: errors.reduce((sum, count) => sum + Number(count), 0),
    refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

async function withWrk(url, connections, seconds) {
  const seed = String(Math.floor(Math.random() * 2 ** 31)); // each slice draws other requests
  const settings = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '--latency',
    '-s',
    script,
    url,
    '--',
    seed,
  ];
  const { stdout } = await run('wrk', settings);
  return readWrk(stdout);
}

async function withAutocannon(url, connections, duration) {
  const requests = [{ setupRequest: (request) => Object.assign(request, anyRequest()) }];
  const result = await autocannon({ url, connections, duration, requests });
  return {
    requests: result.requests.total,
    p99: result.latency.p99,
    unanswered: result.errors + result.timeouts,
    refused: result.non2xx,
  };
}

export const client = hasWrk() ? 'wrk' : 'autocannon';

/**
 * `{ requests, p99, unanswered, refused }`: how many were answered, in ms; how many were not, within ten seconds; how many of the
 * answers were neither a success nor a redirection.
 */
export const loadFor = client === 'wrk' ? withWrk : withAutocannon;
