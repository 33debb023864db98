// Measurements in processes of their own: in one, V8 would compile the code that several share for all of them, and they
// would share a heap.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { shuffled } from './harness.js';

/** Starts a worker module with the arguments; what it sends to its parent. */
export async function askWorker(module, ...args) {
  const child = fork(module, args.map(String), { execArgv: ['--expose-gc'] });
  const ended = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`${module} ${args.join(' ')} ended with ${code}`)),
  );
  ended.catch(() => undefined); // it may end once it has answered
  const [found] = await Promise.race([once(child, 'message'), ended]);
  child.kill();
  return found;
}

/** What the worker found for each name, round by round, in an order drawn anew in each. */
export async function askInRounds({ module, names, rounds }) {
  const found = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of shuffled(names)) found[name].push(await askWorker(module, name));
  }
  return found;
}
