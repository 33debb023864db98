// Measures the cost of an answer by the size of its body: from a handler, from the response cache, and through the
// proxy.
import { measureCurves, publishCurves } from '../curves.js';
import { load, start } from '../harness.js';
import { machine } from '../report.js';

const SIZES = [128, 1024, 10_240, 102_400, 1_048_576];
/** Requests in a round; of the largest bodies a fifth of them. */
const REQUESTS = 4000;
const CONNECTIONS = 20;
const rounds = Number(process.env.ROUNDS ?? 5);
const module = new URL('bodies-server.js', import.meta.url).pathname;

const origin = await start({ module, args: ['written'] });
const servers = {
  'written by a handler': origin,
  'from the response cache': await start({ module, args: ['cached'] }),
  'through the proxy': await start({ module, args: ['proxied', String(origin.port)] }),
};
const ask = async (name, size) => {
  const amount = size >= 2 ** 20 ? REQUESTS / 5 : REQUESTS;
  const result = await load(servers[name], { path: `/${size}`, connections: CONNECTIONS, amount });
  if (result.failed + result.refused > 0) throw new Error(`${name}: ${result.failed + result.refused} requests failed`);
  return result;
};
const names = Object.keys(servers);
for (const name of names) await ask(name, SIZES[1]); // compiled
const found = await measureCurves({ names, sizes: SIZES, rounds, measure: ask });
for (const { child } of Object.values(servers)) child.kill();

const labelOf = (size) => (size < 2 ** 20 ? `${size / 1024} KiB` : '1 MiB');
publishCurves({
  title: 'Processor time of an answer, by the size of its body',
  settings: `${rounds} interleaved rounds of ${REQUESTS.toLocaleString('en')} requests, ${CONNECTIONS} connections, without Express; ${machine()}`,
  x: 'body',
  y: 'µs',
  samples: Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(SIZES.map((size) => [size, found[name][size].map(({ cost }) => cost)])),
    ]),
  ),
  labelOf,
});
