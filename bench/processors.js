// Where what is measured runs, and what loads it. On a rented machine, each virtual processor is at times up to twice as fast as the other
// one, because it shares a core with somebody else's. Servers that the system places as it likes then differ by that. So the servers
// compared take turns on one processor, and their clients and origins share the others.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';

const processors = availableParallelism();
const LISTS = { servers: '0', clients: `1-${processors - 1}` };

/** Whether they can be apart: on Linux, with two processors or more. */
export const areApart = processors > 1 && existsSync('/usr/bin/taskset');

/** What the settings of a table say about it. */
export const placement = areApart ? 'the servers on one processor, clients and origin on the rest; ' : '';

/**
 * The command that runs another one on the processors of `servers` or `clients`.
 *
 * @returns `{ command, args }`, for `spawn`
 */
export function on(place, command, args = []) {
  return areApart ? { command: 'taskset', args: ['-c', LISTS[place], command, ...args] } : { command, args };
}

/** Moves this process to the processors of clients. What it starts later is there too, if it is not placed by `on`. */
export function moveToClients() {
  if (areApart) execFileSync('taskset', ['-a', '-p', '-c', LISTS.clients, String(process.pid)], { stdio: 'ignore' });
}
