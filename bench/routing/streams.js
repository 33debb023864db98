// Measures what streams cost the proxy: its memory while it uploads and downloads 2 GiB, and the delay of an event.
import { machine } from '../harness.js';
import { publish, spread } from '../report.js';
import { start } from './processes.js';
import { once } from 'node:events';
import { get, request } from 'node:http';
import { pipeline } from 'node:stream/promises';

const SIZE = Number(process.env.BYTES ?? 2 ** 31);
const CHUNK = Buffer.alloc(65_536, 'x');
const STREAMS = 100;
const MB = 1e6;

const origin = await start('stream-servers.js', 'origin');
const proxy = await start('stream-servers.js', 'proxy', String(origin.port));
const toProxy = { host: '127.0.0.1', port: proxy.port, agent: false };

async function memory() {
  proxy.child.send('memory');
  const [rss] = await once(proxy.child, 'message');
  return rss;
}

/** Runs a transfer and looks at the proxy's memory ten times a second. */
async function watch(name, transfer) {
  const samples = [await memory()];
  const timer = setInterval(() => void memory().then((rss) => samples.push(rss)), 100);
  const began = performance.now();
  const moved = await transfer();
  const seconds = (performance.now() - began) / 1000;
  clearInterval(timer);
  if (moved !== SIZE) throw new Error(`${name}: ${moved} bytes of ${SIZE} arrived`);
  const { median, most } = spread(samples);
  const figures = [samples[0] / MB, median / MB, most / MB, SIZE / seconds / MB].map((value) => value.toFixed(0));
  return { name, cells: [name, (SIZE / 2 ** 30).toFixed(2), ...figures] };
}

async function download() {
  const [res] = await once(get({ ...toProxy, path: `/${SIZE}` }), 'response');
  let received = 0;
  for await (const chunk of res) received += chunk.length;
  return received;
}

function* body() {
  for (let left = SIZE; left > 0; left -= CHUNK.length) yield left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left);
}

async function upload(headers) {
  const req = request({ ...toProxy, method: 'POST', headers });
  const answered = once(req, 'response');
  await pipeline(body, req);
  const [res] = await answered;
  let text = '';
  for await (const chunk of res) text += chunk;
  return Number(text);
}

/** Milliseconds from the moment the origin writes an event until the client has it. */
async function eventDelay() {
  const req = get({ ...toProxy, path: '/events' });
  const [res] = await once(req, 'response');
  const [event] = await once(res, 'data');
  const delay = performance.timeOrigin + performance.now() - Number(String(event).slice('data: '.length));
  req.destroy();
  return delay;
}

publish({
  title: 'Memory of the proxy while a body goes through',
  settings: machine(),
  columns: ['transfer', 'GiB', 'RSS before, MB', 'RSS median, MB', 'RSS most, MB', 'MB/s'],
  rows: [
    await watch('download', download),
    await watch('upload by length', () => upload({ 'Content-Length': SIZE })),
    await watch('upload in chunks', () => upload({})),
  ],
});

const delays = [];
for (let i = 0; i < STREAMS; i++) delays.push(await eventDelay());
const { median, most } = spread(delays);
publish({
  title: 'From an event written by the origin to the client',
  settings: `${STREAMS} event streams through the proxy, one after the other; ${machine()}`,
  columns: ['', 'median ms', 'most ms'],
  rows: [{ name: 'first event', cells: ['first event', median.toFixed(2), most.toFixed(2)] }],
});

for (const { child } of [proxy, origin]) child.disconnect();
