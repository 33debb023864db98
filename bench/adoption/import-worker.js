// Imports what the argument names, once: processor time, and how many files were loaded that are not Node's own.
import { createRequire, register } from 'node:module';
import { MessageChannel } from 'node:worker_threads';

const [specifier, isCounted] = process.argv.slice(2);
const require = createRequire(import.meta.url);

const HOOKS = `
  let port;
  export const initialize = (data) => { port = data.port; };
  export async function load(url, context, nextLoad) {
    if (url.startsWith('file:')) port.postMessage(url);
    return nextLoad(url, context);
  }`;

/** The files of one import. The hooks take time themselves, so that this is another process than the one that is timed. */
async function countFiles() {
  const { port1, port2 } = new MessageChannel();
  const files = new Set();
  port1.on('message', (url) => files.add(decodeURI(new URL(url).pathname)));
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, { data: { port: port2 }, transferList: [port2] });
  await import(specifier);
  await new Promise((resolve) => setTimeout(resolve, 100)); // the names come from a thread
  return new Set([...files, ...Object.keys(require.cache)]).size;
}

async function measureTime() {
  const before = process.cpuUsage();
  await import(specifier);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

process.send(await (isCounted === 'count' ? countFiles() : measureTime()));
process.exit();
