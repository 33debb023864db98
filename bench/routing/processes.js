// The modules of this folder as processes of their own, which tell their port once they listen.
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Starts a module: `{ child, port }`. It ends when it is disconnected. */
export async function start(module, ...args) {
  const child = fork(new URL(module, import.meta.url).pathname, args);
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${module} ${args.join(' ')} ended with ${code}`))),
  ]);
  return { child, port };
}
